service web {
  vip 198.19.0.1
  port 80/tcp
  endpoints { 100.64.0.9 }
}
 resource svcc_service web {
#^ SVC002
}
 variable office = 10.0.0.0/8
#^ SVC002

service web {
  vip 198.19.0.1
  port 80/tcp
  scheduler wlc
#           ^ SVC060
#           ^ SVC060
  endpoints { 100.64.0.1 }
}
service out {
  vip 198.19.0.2
  port 80/tcp
  scheduler random
#           ^ SVC060
  endpoints { 100.64.0.1 }
}

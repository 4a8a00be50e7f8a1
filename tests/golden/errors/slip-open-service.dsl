service web {
  vip 198.19.0.1
  port 80/tcp
  endpoints { 100.64.0.9 }
 service api {
#^ SVC002
  vip 198.19.0.2
}

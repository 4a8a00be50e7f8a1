service web {
  vip 198.19.0.1
  port http/tcp
#              ^ SVC001
  endpoints { 100.64.0.9 }
}
service api {
  vip 198.19.0.2
  port api http
#          ^ SVC001
  endpoints { 100.64.0.9 }
}

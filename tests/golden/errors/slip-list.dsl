service web {
  vip [198.19.0.1, 198.19.0.2]
#     ^ SVC001
  port 80/tcp
  endpoints { 100.64.0.9 }
}
service six {
  vip [fd00:19::1]
#     ^ SVC001
  port 80/tcp
  endpoints { 100.64.0.9 }
}

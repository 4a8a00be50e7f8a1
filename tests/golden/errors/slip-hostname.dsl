service web {
  vip 198.19.0.1
  port 80/tcp
  endpoints { db.example.com }
#             ^ SVC001
}
service api {
  vip 198.19.0.2
  port 80/tcp
  endpoints { db.example.com:5432 }
#             ^ SVC001
}
service old {
  vip web.example.com
#     ^ SVC001
  port 80/tcp
  endpoints { 100.64.0.9 }
}

service web {
  vip 198.19.0.1
  port 80/tcp->8080
#      ^ SVC001
  endpoints { 100.64.0.9 }
}
service api {
  vip 198.19.0.2
  port 80->8080
#      ^ SVC001
  endpoints { 100.64.0.9 }
}
service far {
  vip 198.19.0.3
  port 80/tcp → 8080
#             ^ SVC001
  endpoints { 100.64.0.9 }
}
service fat {
  vip 198.19.0.4
  port 80/tcp => 8080
#             ^ SVC001
  endpoints { 100.64.0.9 }
}

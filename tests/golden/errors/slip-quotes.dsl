service web {
  vip "198.19.0.1"
#     ^ SVC001
  port 80/tcp
  scheduler "rr"
#           ^ SVC001
  endpoints { 100.64.0.9 }
}
service api {
  vip 198.19.0.2
  port 80/tcp
  scheduler 'rr'
#           ^ SVC001
  endpoints { 100.64.0.9 }
}

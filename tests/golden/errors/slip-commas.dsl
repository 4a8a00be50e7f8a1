service web {
  vip 198.19.0.1, 198.19.0.2
#               ^ SVC001
  port 80/tcp
  endpoints { 100.64.0.9, 100.64.0.10 }
#                       ^ SVC001
}

service web {
  vip 198.19.0.1
  port 80/tcp
  scheduler = rr
#           ^ SVC001
  endpoints { 100.64.0.9 weight=4 }
#                              ^ SVC001
}

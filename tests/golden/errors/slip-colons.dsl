service web {
  vip 198.19.0.1
  port 80/tcp
  scheduler: rr
# ^ SVC002
  ports: 80/tcp
# ^ SVC002
  - 80/tcp
# ^ SVC002
  endpoints { 100.64.0.9 weight: 4 }
#                        ^ SVC001
}

service web {
  vip 198.19.0.1
  port 80/tcp
  affinity 30m
#          ^ SVC001
  endpoints { 100.64.0.9 }
}

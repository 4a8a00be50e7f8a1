 // everything
#^ SVC002
service web {
  vip 198.19.0.1
  port 80/tcp
  /* nothing */
# ^ SVC002
  scheduler rr // turns
#              ^ SVC001
  endpoints { 100.64.0.9 }
}

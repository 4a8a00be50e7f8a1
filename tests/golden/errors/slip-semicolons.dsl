 service web; {
#           ^ SVC001
  vip 198.19.0.1
}
service api {
  vip 198.19.0.1
  port 80/tcp
  scheduler; rr
#          ^ SVC001
#            ^ SVC002
  endpoints { 100.64.0.9 }
}

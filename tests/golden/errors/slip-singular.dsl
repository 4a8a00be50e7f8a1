service web {
  vip 198.19.0.1
  port 80/tcp
  endpoint 100.64.0.9
# ^ SVC002
}
 services api { }
#^ SVC002

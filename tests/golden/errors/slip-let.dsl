 let office 10.0.0.0/8
#           ^ SVC001
 let home = "10.0.0.0/8"
#           ^ SVC001
service web {
  vip 198.19.0.1
  port 80/tcp
  allow-from office
#            ^ SVC001
  endpoints { 100.64.0.9 }
}

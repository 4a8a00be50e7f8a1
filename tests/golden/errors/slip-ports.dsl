service web {
  vip 198.19.0.1
  port 80,443/tcp
#      ^ SVC001
  endpoints { 100.64.0.9 }
}
service dns {
  vip 198.19.0.2
  port 53/tcp+udp
#      ^ SVC001
  endpoints { 100.64.0.9 }
}
service any {
  vip 198.19.0.3
  port 53/any
#         ^ SVC041
  endpoints { 100.64.0.9 }
}

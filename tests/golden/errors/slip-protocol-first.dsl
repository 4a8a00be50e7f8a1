service web {
  vip 198.19.0.1
  port tcp/80
#            ^ SVC001
  endpoints { 100.64.0.9 }
}
service dns {
  vip 198.19.0.2
  port udp 53
#          ^ SVC001
  endpoints { 100.64.0.9 }
}
service ssh {
  vip 198.19.0.3
  port 80 tcp
#      ^ SVC001
  endpoints { 100.64.0.9 }
}
service up {
  vip 198.19.0.4
  port 80/TCP
#         ^ SVC041
  endpoints { 100.64.0.9 }
}

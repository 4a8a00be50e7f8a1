service web {
  vip 198.19.0.1
  port http 0/tcp
#           ^ SVC040
  port alt 70000/tcp
#          ^ SVC040
  port back 90-80/tcp
#           ^ SVC040
  port typo 80/tpc
#              ^ SVC041
  port aim 81/tcp -> 0
#                    ^ SVC040
  port narrow 5000-5009/udp -> 6000-6004
#                              ^ SVC040
  port high 5010-5019/udp -> 65530
#                            ^ SVC040
  endpoints { }
}
service db {
  vip 198.19.0.2
  port 5432/tcp
#      ^ SVC042
  port one 5433/tcp
  port one 5434/tcp
#      ^ SVC042
  endpoints { 100.64.0.1:5555 }
#             ^ SVC046
}

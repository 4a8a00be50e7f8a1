cluster {
  mark 0x6000
#      ^ SVC024
  vip-device a/b
#            ^ SVC013
}
service web {
  vip 198.19.0.1
  port 80/tcp
  scheduler wlcc
#           ^ SVC023
  affinity client-ip 3w
#                     ^ SVC023
  traffic external lokal
#                  ^ SVC023
  masquerade sometimes
#            ^ SVC023
  forward nat
#         ^ SVC023
  when-empty ignore
#            ^ SVC023
  endpoints {
    100.64.0.1 weight 65536
#                     ^ SVC024
    100.64.0.2 weight 99999999999999999999999999999999
#                     ^ SVC024
  }
}
service db {
  vip 198.19.0.2
  port 80/tcp
  affinity cookie
#          ^ SVC023
  traffic sideways local
#         ^ SVC023
  endpoints { }
}
service long {
  vip 198.19.0.3
  port 80/tcp
  affinity client-ip 2d
#                    ^ SVC024
  endpoints { }
}

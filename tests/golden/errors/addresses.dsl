cluster {
  pods 100.64.0.9/24 fd00::/200
#      ^ SVC032
#                    ^ SVC031
}
node here { address 10.0.0.4 127.0.0.1 }
#                            ^ SVC033
node there { address 10.0.0.4 }
#                    ^ SVC034
service web {
  vip 198.19.0.256 198.19.0.0/24 198.19.0.1:80
#     ^ SVC030
#                  ^ SVC030
#                                ^ SVC030
  external-ip 224.0.0.1 ::ffff:10.0.0.1 fe80::1 ff02::1 0.0.0.0 255.255.255.255 10.0.0.4
#             ^ SVC033
#                       ^ SVC033
#                                       ^ SVC033
#                                               ^ SVC033
#                                                       ^ SVC033
#                                                               ^ SVC033
#                                                                               ^ SVC034
  port 80/tcp
  endpoints {
    100.64.0.1
    100.64.0.1
#   ^ SVC047
    100.64.0.1:80
#   ^ SVC047
    100.64.0.2:99999
#              ^ SVC040
    ::1
#   ^ SVC033
    1:2
#   ^ SVC030
  }
}

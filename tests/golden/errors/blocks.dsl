cluster { }
 cluster { }
#^ SVC020
defaults {
  vip 198.19.0.1
# ^ SVC022
  scheduler rr
  scheduler rr
# ^ SVC020
}
node bare { zone a }
#    ^ SVC021
service web {
#       ^ SVC021
  vip 198.19.0.1
  vip 198.19.0.2
# ^ SVC020
  traffic external local
#                  ^ SVC057
  traffic internal local
  traffic external cluster
# ^ SVC020
  port 80/tcp
}
service db {
  vip 198.19.0.3
  port 80/tcp
  endpoints { 100.64.0.1 weight 2 weight 3 }
#             ^ SVC057
#                                 ^ SVC020
  endpoints { }
# ^ SVC020
}

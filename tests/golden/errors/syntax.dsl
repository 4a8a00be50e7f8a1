service web {
  vip 1.2.3.x
#     ^ SVC001
  wheight 3
# ^ SVC002
  port 80
#      ^ SVC001
  port 80/tcp nodport 4
#             ^ SVC002
  endpoints { 100.64.0.1 wieght 3
#                        ^ SVC002
    fab.example
#   ^ SVC001
    100.64.0.2 weight -1
#                     ^ SVC001
    100.64.0.3 on }
#                 ^ SVC001
  scheduler 5
#           ^ SVC001
}
 servce db { }
#^ SVC002
 let a = "b"
#        ^ SVC001
 include "lib
#        ^ SVC003
 café { }
#^ SVC002
 cluster {
  prefix 9lives
#        ^ SVC001
}

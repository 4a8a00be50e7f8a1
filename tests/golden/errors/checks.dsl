defaults { check none; when-failed shut }
#                                  ^ SVC023
service web {
  vip 198.19.0.1
  port http 80/tcp -> 8080
  port https 443/tcp -> 8443
  check tcp
#       ^ SVC056
  endpoints { 100.64.0.1 }
}
service names {
  vip 198.19.0.2
  port 53/udp
  check http /healthz every 1s
#       ^ SVC056
#                           ^ SVC056
  endpoints { 100.64.0.1 }
}
service ranges {
  vip 198.19.0.3
  port 80/tcp
  check http 8080-8081 expect 299-200 fall 0 rise 1001 every 1w timeout 2h
#            ^ SVC040
#                             ^ SVC024
#                                          ^ SVC024
#                                                 ^ SVC024
#                                                             ^ SVC023
#                                                                       ^ SVC024
  endpoints { 100.64.0.1 }
}
service options {
  vip 198.19.0.4
  port 80/tcp
  check tcp /healthz expect 200 host shop.example insecure fall 2 fall 3
#           ^ SVC056
#                    ^ SVC056
#                               ^ SVC056
#                                                 ^ SVC056
#                                                                 ^ SVC020
  endpoints { 100.64.0.1 }
}
service slips {
  vip 198.19.0.5
  port 80/tcp
  check tcp evry 5s
#                ^ SVC001
  check http /a host "a b"
#                    ^ SVC056
  endpoints { 100.64.0.1 }
}
service words { vip 198.19.0.6; port 80/tcp; check tpc; endpoints { 100.64.0.1 } }
#                                                  ^ SVC023
service nothing { vip 198.19.0.7; port 80/tcp; check none 80; endpoints { 100.64.0.1 } }
#                                                         ^ SVC056
service late { vip 198.19.0.8; port 80/tcp; check http timeout 10s; endpoints { 100.64.0.1 } }
#                                                              ^ SVC056

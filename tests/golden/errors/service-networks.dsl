cluster {
  services 198.19.0.0/16 fd00:19::/64 100.64.0.0/10 ::ffff:198.18.0.0/112
#                                     ^ SVC034
#                                                   ^ SVC033
  pods     100.64.0.0/24
}
node here { address 198.19.0.4 10.0.0.4 198.19.0.5 }
#                   ^ SVC034
service web {
  vip         198.18.0.1 198.19.0.1 fd00:20::1
#             ^ SVC037
#                                   ^ SVC037
  external-ip 198.19.0.5 203.0.113.7 shared
  port        80/tcp
  endpoints { 192.0.2.9; 198.19.0.9; fd00:64::9 }
#                        ^ SVC034
}
service v4 { vip 198.19.0.2; port 80/tcp; endpoints { 192.0.2.9 } }

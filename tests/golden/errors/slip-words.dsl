service web one {
#           ^ SVC001
  vip 198.19.0.1
  port 80/tcp
  endpoints { 100.64.0.9 }
}
service two {
  vip
#    ^ SVC001
  port ８０/tcp
#      ^ SVC001
  affinity client-ip 1.5h
#                    ^ SVC001
  endpoints { 100.64.0.9:8080 [fd00:64::9]:8080 }
#                             ^ SVC001
}
service three {
  external-ip 203.0.113.7
  allow-from
#           ^ SVC001
  port 80/tcp
  endpoints { 100.64.0.9 100.64.0.19 }
#                        ^ SVC001
}

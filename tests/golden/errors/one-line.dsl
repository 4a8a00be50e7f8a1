# Statements on one line, with no `;` between them.
include "a.dsl" include "b.dsl"
#               ^ SVC001
let one = 10.0.0.1 service web { vip 198.51.100.10 }
#                  ^ SVC001
cluster { prefix A pods 10.0.0.0/8 }
#                  ^ SVC001
node a { address 10.0.0.4 } node b { address 10.0.0.5 }
#                           ^ SVC001
defaults { scheduler rr affinity client-ip 3h }
#                       ^ SVC002
service web {
  vip 198.51.100.10 port 80/tcp
#                   ^ SVC002
  port 443/tcp nodeport 30443 scheduler rr
#                             ^ SVC001
  endpoints { 10.0.0.1 } affinity 10m
#                        ^ SVC001
  when-empty drop announce yes
#                 ^ SVC001
}

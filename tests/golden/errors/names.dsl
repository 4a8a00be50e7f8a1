cluster {
  prefix a/b
#        ^ SVC013
}
let home = 10.0.0.0/8
 let home = 10.0.0.0/8
#    ^ SVC010
let spare = 10.0.0.0/8
#   ^ SVC012
let one = $two
let two = $one
#         ^ SVC011
endpoints pool { 100.64.0.1 on node-b }
#                              ^ SVC011
endpoints pool { }
#         ^ SVC010
endpoints unused { }
#         ^ SVC012
node node-a { address 10.0.0.4 }
service web { vip 198.19.0.1; port 80/tcp; endpoints poll }
#                                                    ^ SVC011
service web { vip 198.19.0.2; port 80/tcp; endpoints pool { $hom } }
#       ^ SVC010
service api { vip 198.19.0.3; port 80/tcp; allow-from $hom $home $one; endpoints pool }
#                                                     ^ SVC011
#                                                     ^ SVC057
service a { vip 198.19.0.4; port b-c 80/tcp; endpoints pool }
service a-b { vip 198.19.0.5; port c 80/tcp; endpoints pool }
service "9to5/web" { vip 198.19.0.6; port "8080-tcp" 80/tcp; endpoints pool }
service "a b" { vip 198.19.0.7; port "" 80/tcp; endpoints pool }
#       ^ SVC013
#                                    ^ SVC013
service "9to5/web" { vip 198.19.0.8; port 80/tcp; endpoints "pool" }
#       ^ SVC010
node "-" { address 10.0.0.5; zone "\" }
#    ^ SVC013
#                                 ^ SVC013

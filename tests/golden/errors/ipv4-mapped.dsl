cluster {
  pods ::/80 ::ffff:0:0/96
#            ^ SVC033
  nodeport-addresses ::ffff:10.0.0.0/104 fd00::/64
#                    ^ SVC033
}
service web {
  external-ip 2001:db8::1
  allow-from ::ffff:10.0.0.1
#            ^ SVC033
  port 80/tcp
  endpoints { fd00::9 }
}

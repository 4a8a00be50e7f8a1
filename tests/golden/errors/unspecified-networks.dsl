cluster {
  pods 0.0.0.0/32 ::/0
#      ^ SVC033
}
service web {
  external-ip 203.0.113.7
  allow-from 0.0.0.0
#            ^ SVC033
  masquerade 0.0.0.0
#            ^ SVC033
  port 80/tcp
  endpoints { 10.0.0.9 }
}
service any {
  external-ip 2001:db8::1
  allow-from ::
#            ^ SVC033
  port 80/tcp
  endpoints { fd00::9 }
}

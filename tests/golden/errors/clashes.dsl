service a {
  vip 198.19.0.1
  port web   80/tcp     nodeport 30080
  port dns   53/udp     nodeport 30053
  port media 5000-5099/udp
  endpoints { }
}
service b {
  vip 198.19.0.2 198.19.0.1
  port web   80/tcp     nodeport 30080
#            ^ SVC043
#                                ^ SVC044
  port dns   53/tcp     nodeport 30053
  port media 5099-5100/udp nodeport 40000-40001
#            ^ SVC043
#                                   ^ SVC045
  endpoints { }
}
service c { port 80/tcp nodeport 30180; endpoints { } }
service d { port 5000-5009/tcp nodeport 30175-30184; endpoints { } }
#                                       ^ SVC044

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

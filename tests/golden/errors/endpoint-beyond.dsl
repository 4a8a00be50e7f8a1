service media {
  vip 198.19.0.1
  port 5000-5009/udp
  endpoints { 100.64.0.1:65530 }
#             ^ SVC040
}

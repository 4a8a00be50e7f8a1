service web {
  vip 198.19.0.1
  port 80/tcp
  masquerade 1000
#            ^ SVC001
  traffic local
#              ^ SVC001
  endpoints { 100.64.0.9 }
}

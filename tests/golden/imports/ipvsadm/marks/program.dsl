service mark-80 {
  vip          198.51.100.20 198.51.100.21 shared
  port tcp-80  80/tcp
  port tcp-443 443/tcp
  scheduler    wlc
  affinity     client-ip 30m
  masquerade   never
  forward      direct
  endpoints {
    10.20.0.11
    10.20.0.12
  }
}

service mark-7 {
  vip        198.51.100.22 shared
  port       10000-10099/udp
  scheduler  rr
  masquerade never
  endpoints {
    10.20.0.21
  }
}

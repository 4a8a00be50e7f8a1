defaults {
  masquerade never
}

service mark-80 {
  vip          198.51.100.20 198.51.100.21 shared
  port tcp-80  80/tcp
  port tcp-443 443/tcp
  scheduler    wlc
  affinity     client-ip 10m per service
  endpoints {
    10.0.0.11   weight 2
    10.0.0.12
  }
}

service media {
  vip       198.51.100.22 shared
  port      10000-20000/udp
  scheduler rr
  forward   direct
  endpoints {
    10.0.0.21
    10.0.0.22
  }
}

service mixed {
  vip       198.51.100.30 198.51.100.31 shared
  port      25/tcp
  scheduler sh
  affinity  client-ip 5m
  endpoints {
    10.0.0.31
  }
}

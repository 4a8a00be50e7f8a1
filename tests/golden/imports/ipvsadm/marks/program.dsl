defaults {
  masquerade never
}

service mark-80 {
  vip          198.51.100.20 198.51.100.21 shared
  port tcp-80  80/tcp
  port tcp-443 443/tcp
  scheduler    wlc
  affinity     client-ip 30m per service
  forward      direct
  endpoints {
    10.20.0.11
    10.20.0.12
  }
}

service mark-7 {
  vip       198.51.100.22 shared
  port      10000-10099/udp
  scheduler rr
  endpoints {
    10.20.0.21
  }
}

service mark-81 {
  vip          198.51.100.24 shared
  port tcp-80  80/tcp
  port tcp-443 443/tcp
  scheduler    rr
  affinity     client-ip 1m per service
  endpoints {
    10.20.0.41
  }
}

service mark-81-2 {
  vip       198.51.100.25 shared
  port      8080/tcp
  scheduler rr
  affinity  client-ip 1m
  endpoints {
    10.20.0.41
  }
}

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
  vip       198.51.100.31 shared
  port      25/tcp
  scheduler sh
  affinity  client-ip 5m
  endpoints {
    10.0.0.31
  }
}

service mixed-2 {
  vip       198.51.100.30 shared
  port      25/tcp
  scheduler sh
  affinity  client-ip 5m
  endpoints {
    10.0.0.31
  }
}

endpoints several {
  10.0.0.32     max-connections 8
  10.0.0.33     max-connections 8
}

service several {
  vip       198.51.100.32 shared
  port      443/tcp
  scheduler mh
  affinity  client-ip 5m
  endpoints several
}

service several-2 {
  vip          198.51.100.33 shared
  port tcp-80  80/tcp
  port tcp-443 443/tcp
  scheduler    mh
  affinity     client-ip 5m per service
  endpoints    several
}

defaults {
  masquerade never
}

service tcp-203.0.113.5-3306 {
  vip       203.0.113.5 shared
  port      3306/tcp
  scheduler wlc
  endpoints {
    10.30.0.1
    10.30.0.2:3307 weight 3
  }
}

service tcp-203.0.113.6-80 {
  vip       203.0.113.6 shared
  port      80/tcp
  scheduler lblcr
  affinity  client-ip 5m
  forward   direct
  endpoints {
    10.30.0.3   weight 2
  }
}

service tcp-203.0.113.8-80 {
  vip       203.0.113.8 shared
  port      80/tcp
  scheduler sh
  endpoints { }
}

service tcp-203.0.113.8-81 {
  vip       203.0.113.8 shared
  port      81/tcp
  scheduler mh by address-port
  endpoints { }
}

service tcp-203.0.113.8-82 {
  vip       203.0.113.8 shared
  port      82/tcp
  scheduler mh by address-port
  endpoints { }
}

service tcp-203.0.113.8-83 {
  vip       203.0.113.8 shared
  port      83/tcp
  scheduler rr
  endpoints { }
}

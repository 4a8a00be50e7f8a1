service tcp-203.0.113.5-3306 {
  vip        203.0.113.5 shared
  port       3306/tcp
  scheduler  wlc
  masquerade never
  endpoints {
    10.30.0.1
    10.30.0.2:3307 weight 3
  }
}

service tcp-203.0.113.6-80 {
  vip        203.0.113.6 shared
  port       80/tcp
  scheduler  lblcr
  affinity   client-ip 5m
  masquerade never
  forward    direct
  endpoints {
    10.30.0.3   weight 2
  }
}

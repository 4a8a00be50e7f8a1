defaults {
  masquerade never
}

service resolvers {
  vip        198.51.100.53 192.0.2.3-192.0.2.6 shared
  port       53/udp
  scheduler  rr
  forward    direct
  one-packet yes
  check      dns example.com timeout 5s rise 1
  endpoints {
    10.20.1.1
    10.20.1.2   max-connections 5000
  }
}

endpoints web {
  10.20.2.1
  10.20.2.2:8081
}

service web {
  vip       198.51.100.81 shared
  port      80/tcp -> 8080
  scheduler sh by address-port
  affinity  client-ip 6m
  check     tcp every 10s timeout 5s fall 2 rise 1
  endpoints web
}

service web-tcp-80 {
  vip       198.51.100.80 shared
  port      80/tcp -> 8080
  scheduler sh by address-port
  affinity  client-ip 6m
  check     tcp every 10s timeout 5s fall 2 rise 1
  endpoints web
}

service web-tcp-8000 {
  vip       198.51.100.80 shared
  port      8000/tcp -> 8080
  scheduler sh by address-port
  affinity  client-ip 6m
  check     tcp every 10s timeout 5s fall 2 rise 1
  endpoints web
}

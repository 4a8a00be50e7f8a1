defaults {
  masquerade never
}

service shop {
  external-ip 198.19.1.1 shared
  port        443/tcp -> 8443
  allow-from  10.0.0.0/8 192.0.2.1/32
  scheduler   rr
  endpoints {
    10.20.0.10
    10.20.0.11:443
    10.20.0.12:443
  }
}

service both-tcp-443 {
  vip       198.19.1.2 shared
  port      443/tcp -> 8080
  scheduler sh
  affinity  client-ip 1m
  endpoints {
    10.20.0.10
    10.20.0.11:443
  }
}

service both-tcp-80 {
  vip       198.19.1.2 shared
  port      80/tcp -> 8080
  scheduler sh
  affinity  client-ip 1m
  endpoints {
    10.20.0.10
    10.20.0.11:80
  }
}

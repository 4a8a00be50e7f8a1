defaults {
  masquerade never
}

service tcp-198.51.100.10-80 {
  vip       198.51.100.10 shared
  port      80/tcp -> 8080
  scheduler wrr
  affinity  client-ip 50s
  endpoints {
    10.20.0.11 weight 3
    10.20.0.12
    10.20.0.13:8081 draining
  }
}

service tcp-198.51.100.10-443 {
  vip       198.51.100.10 shared
  port      443/tcp
  scheduler wlc
  forward   direct
  endpoints {
    10.20.0.11
    10.20.0.12
  }
}

service tcp-198.51.100.11-25 {
  vip       198.51.100.11 shared
  port      25/tcp
  scheduler lc
  forward   tunnel
  endpoints {
    10.20.0.25
  }
}

defaults {
  masquerade never
}

service tcp-198.51.100.10-80 {
  vip       198.51.100.10 shared
  port      80/tcp -> 8080
  scheduler wrr
  affinity  client-ip 50s
  check     http /healthz every 6s timeout 3s fall 4 rise 1 expect 200
  endpoints {
    10.20.0.11      weight 3
    10.20.0.12
    10.20.0.13:8081 draining
    192.0.2.200:80  backup
  }
}

service tcp-198.51.100.10-443 {
  vip       198.51.100.10 shared
  port      443/tcp
  scheduler wlc
  forward   direct
  check     tcp every 6s timeout 3s fall 2 rise 1
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

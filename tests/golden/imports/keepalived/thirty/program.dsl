defaults {
  masquerade never
}

service tcp-198.51.100.20-80 {
  vip       198.51.100.20 shared
  port      80/tcp -> 8080
  scheduler wlc
  affinity  client-ip 10m
  check     http /healthz every 10s timeout 3s fall 4 rise 1 expect 200
  endpoints {
    10.40.0.11
    10.40.0.12
    10.40.99.1:80 backup
  }
}

service tcp-198.51.100.20-443 {
  vip       198.51.100.20 shared
  port      443/tcp -> 8443
  scheduler wlc
  affinity  client-ip 10m
  check     https /healthz every 6s timeout 3s fall 4 rise 1 expect 200 insecure
  endpoints {
    10.40.0.11
    10.40.0.12
    10.40.99.1:443 backup
  }
}

endpoints tcp-198.51.100.21-443 {
  10.40.1.11
  10.40.1.12
}

service tcp-198.51.100.21-443 {
  vip       198.51.100.21 shared
  port      443/tcp -> 8443
  scheduler sh
  check     https /healthz every 6s timeout 3s fall 4 rise 1 expect 200 insecure
  endpoints tcp-198.51.100.21-443
}

service tcp-198.51.100.21-8443 {
  vip       198.51.100.21 shared
  port      8443/tcp
  scheduler sed
  check     tcp every 10s timeout 3s fall 2 rise 1
  endpoints tcp-198.51.100.21-443
}

service tcp-198.51.100.22-443 {
  vip       198.51.100.22 shared
  port      443/tcp -> 8443
  scheduler sed
  affinity  client-ip 10m
  check     https /healthz every 6s timeout 3s fall 4 rise 1 expect 200 insecure
  endpoints {
    10.40.2.11
    10.40.2.12
    10.40.2.13
  }
}

endpoints tcp-198.51.100.23-25 {
  10.40.3.11
  10.40.3.12
  10.40.3.13
  10.40.3.14
}

service tcp-198.51.100.23-25 {
  vip       198.51.100.23 shared
  port      25/tcp
  scheduler sh
  forward   direct
  check     tcp every 6s timeout 3s fall 2 rise 1
  endpoints tcp-198.51.100.23-25
}

service tcp-198.51.100.23-587 {
  vip       198.51.100.23 shared
  port      587/tcp
  scheduler lc
  forward   direct
  check     tcp every 10s timeout 3s fall 2 rise 1
  endpoints tcp-198.51.100.23-25
}

service tcp-198.51.100.23-993 {
  vip       198.51.100.23 shared
  port      993/tcp
  scheduler wrr
  forward   direct
  check     tcp every 6s timeout 3s fall 2 rise 1
  endpoints tcp-198.51.100.23-25
}

endpoints tcp-198.51.100.24-389 {
  10.40.4.11
  10.40.4.12
}

service tcp-198.51.100.24-389 {
  vip       198.51.100.24 shared
  port      389/tcp
  scheduler wlc
  check     tcp every 6s timeout 3s fall 2 rise 1
  endpoints tcp-198.51.100.24-389
}

service tcp-198.51.100.24-636 {
  vip       198.51.100.24 shared
  port      636/tcp
  scheduler wrr
  check     tcp timeout 3s fall 2 rise 1
  endpoints tcp-198.51.100.24-389
}

endpoints udp-198.51.100.25-53 {
  10.40.5.11
  10.40.5.12
}

service udp-198.51.100.25-53 {
  vip       198.51.100.25 shared
  port      53/udp
  scheduler wrr
  forward   direct
  check     dns example.com every 6s timeout 5s fall 4 rise 1
  endpoints udp-198.51.100.25-53
}

service tcp-198.51.100.25-53 {
  vip       198.51.100.25 shared
  port      53/tcp
  scheduler sed
  forward   direct
  check     tcp every 6s timeout 3s fall 2 rise 1
  endpoints udp-198.51.100.25-53
}

service udp-198.51.100.26-123 {
  vip       198.51.100.26 shared
  port      123/udp
  scheduler sed
  forward   direct
  endpoints {
    10.40.6.11
    10.40.6.12
    10.40.6.13
    10.40.6.14
  }
}

endpoints udp-198.51.100.27-1812 {
  10.40.7.11
  10.40.7.12
  10.40.7.13
}

service udp-198.51.100.27-1812 {
  vip       198.51.100.27 shared
  port      1812/udp
  scheduler sh
  forward   direct
  endpoints udp-198.51.100.27-1812
}

service udp-198.51.100.27-1813 {
  vip       198.51.100.27 shared
  port      1813/udp
  scheduler sh
  forward   direct
  endpoints udp-198.51.100.27-1812
}

service udp-198.51.100.28-514 {
  vip       198.51.100.28 shared
  port      514/udp
  scheduler rr
  forward   direct
  endpoints {
    10.40.8.11
    10.40.8.12
  }
}

service udp-198.51.100.29-5060 {
  vip       198.51.100.29 shared
  port      5060/udp
  scheduler lc
  endpoints {
    10.40.9.11
    10.40.9.12
  }
}

endpoints tcp-198.51.100.30-3306 {
  10.40.10.11
  10.40.10.12
  10.40.10.13
  10.40.10.14
}

service tcp-198.51.100.30-3306 {
  vip       198.51.100.30 shared
  port      3306/tcp
  scheduler lc
  check     tcp every 6s timeout 3s fall 2 rise 1
  endpoints tcp-198.51.100.30-3306
}

service tcp-198.51.100.30-5432 {
  vip       198.51.100.30 shared
  port      5432/tcp
  scheduler rr
  check     tcp timeout 3s fall 2 rise 1
  endpoints tcp-198.51.100.30-3306
}

service tcp-198.51.100.31-6379 {
  vip       198.51.100.31 shared
  port      6379/tcp
  scheduler wlc
  check     tcp every 10s timeout 3s fall 2 rise 1
  endpoints {
    10.40.11.11
    10.40.11.12
    10.40.11.13
    10.40.11.14
  }
}

endpoints tcp-198.51.100.32-5672 {
  10.40.12.11
  10.40.12.12
  10.40.12.13
  10.40.12.14
}

service tcp-198.51.100.32-5672 {
  vip       198.51.100.32 shared
  port      5672/tcp
  scheduler lc
  check     tcp every 6s timeout 3s fall 2 rise 1
  endpoints tcp-198.51.100.32-5672
}

service tcp-198.51.100.32-15672 {
  vip       198.51.100.32 shared
  port      15672/tcp
  scheduler sed
  check     http /healthz every 10s timeout 3s fall 4 rise 1 expect 200
  endpoints tcp-198.51.100.32-5672
}

service tcp-198.51.100.33-9200 {
  vip       198.51.100.33 shared
  port      9200/tcp
  scheduler sed
  check     http /healthz timeout 3s fall 4 rise 1 expect 200
  endpoints {
    10.40.13.11 weight 10
    10.40.13.12 weight 20
  }
}

service tcp-198.51.100.34-6443 {
  vip       198.51.100.34 shared
  port      6443/tcp
  scheduler lc
  check     https /readyz every 6s timeout 3s fall 4 rise 1 expect 200 insecure
  endpoints {
    10.40.14.11
    10.40.14.12
  }
}

endpoints tcp-198.51.100.35-22 {
  10.40.15.11
  10.40.15.12
}

service tcp-198.51.100.35-22 {
  vip       198.51.100.35 shared
  port      22/tcp
  scheduler lc
  check     tcp every 10s timeout 3s fall 2 rise 1
  endpoints tcp-198.51.100.35-22
}

service tcp-198.51.100.35-443 {
  vip       198.51.100.35 shared
  port      443/tcp -> 8443
  scheduler sed
  check     https /healthz timeout 3s fall 4 rise 1 expect 200 insecure
  endpoints tcp-198.51.100.35-22
}

service tcp-198.51.100.36-9090 {
  vip       198.51.100.36 shared
  port      9090/tcp
  scheduler wrr
  check     http /healthz every 10s timeout 3s fall 4 rise 1 expect 200
  endpoints {
    10.40.16.11
    10.40.16.12
    10.40.16.13
    10.40.16.14
  }
}

service tcp-198.51.100.37-5044 {
  vip       198.51.100.37 shared
  port      5044/tcp
  scheduler lc
  check     tcp every 10s timeout 3s fall 2 rise 1
  endpoints {
    10.40.17.11
    10.40.17.12
  }
}

service tcp-198.51.100.38-3128 {
  vip       198.51.100.38 shared
  port      3128/tcp
  scheduler rr
  check     tcp every 6s timeout 3s fall 2 rise 1
  endpoints {
    10.40.18.11
    10.40.18.12
  }
}

service tcp-198.51.100.39-21 {
  vip       198.51.100.39 shared
  port      21/tcp
  scheduler wlc
  affinity  client-ip 10m
  endpoints {
    10.40.19.11
    10.40.19.12
  }
}

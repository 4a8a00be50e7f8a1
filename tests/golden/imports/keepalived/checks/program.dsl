defaults {
  scheduler  wlc
  masquerade never
}

service tcp-198.51.100.40-80 {
  vip   198.51.100.40 shared
  port  80/tcp -> 8080
  check http 9000 /healthz?full=1 every 2s fall 2 rise 1 expect 200-204 host health.example.com
  endpoints {
    10.20.5.1
    10.20.5.2
    10.20.5.3
  }
}

service tcp-198.51.100.41-443 {
  vip     198.51.100.41 shared
  port    443/tcp
  forward direct
  endpoints {
    10.20.5.1
  }
}

endpoints udp-198.51.100.42-514 {
  10.20.5.1
  10.20.5.2
}

service udp-198.51.100.42-514 {
  vip       198.51.100.42 shared
  port      514/udp
  check     tcp 514 every 3600s timeout 5s fall 2 rise 1
  endpoints udp-198.51.100.42-514
}

service udp-198.51.100.43-5000 {
  vip  198.51.100.43 shared
  port 5000/udp -> 5001
  endpoints {
    10.20.5.1
    10.20.5.1:5002
  }
}

service udp-198.51.100.44-53 {
  vip       198.51.100.44 shared
  port      53/udp
  check     dns every 60s timeout 5s fall 4 rise 1
  endpoints udp-198.51.100.42-514
}

service udp-198.51.100.45-1812 {
  vip   198.51.100.45 shared
  port  1812/udp
  check udp every 60s timeout 5s fall 2 rise 1
  endpoints {
    10.20.5.1
  }
}

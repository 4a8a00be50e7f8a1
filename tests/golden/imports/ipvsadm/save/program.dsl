defaults {
  masquerade never
}

service tcp-198.51.100.10-80 {
  vip       198.51.100.10 shared
  port      80/tcp -> 8080
  scheduler wlc
  endpoints {
    10.20.0.11      weight 100
    10.20.0.12      weight 100
    10.20.0.13:8081 weight 50 max-connections 2000
  }
}

service tcp-198.51.100.10-443 {
  vip       198.51.100.10 shared
  port      443/tcp -> 8443
  scheduler wlc
  affinity  client-ip 10m
  endpoints {
    10.20.0.11  weight 100
    10.20.0.12  draining
  }
}

endpoints udp-198.51.100.53-53 {
  10.20.1.1
  10.20.1.2
}

service udp-198.51.100.53-53 {
  vip        198.51.100.53 shared
  port       53/udp
  scheduler  rr
  forward    direct
  one-packet yes
  endpoints  udp-198.51.100.53-53
}

service tcp-198.51.100.53-53 {
  vip       198.51.100.53 shared
  port      53/tcp
  scheduler rr
  forward   direct
  endpoints udp-198.51.100.53-53
}

service sctp-198.51.100.60-3868 {
  vip       198.51.100.60 shared
  port      3868/sctp
  scheduler sh by address-port
  forward   tunnel
  endpoints {
    10.20.2.1
  }
}

service tcp-2001_db8_10__80-80 {
  vip       2001:db8:10::80 shared
  port      80/tcp -> 8080
  scheduler mh by address-port
  affinity  client-ip/32/64 2h
  endpoints {
    2001:db8:20::11
    2001:db8:20::12
  }
}

service udp-198.51.100.61-5060 {
  vip       198.51.100.61 shared
  port      5060/udp
  scheduler wlc
  affinity  client-ip 5m
  endpoints {
    10.20.3.1
  }
}

service tcp-198.51.100.63-25 {
  vip       198.51.100.63 shared
  port      25/tcp
  scheduler wlc
  forward   direct
  endpoints {
    10.20.3.4
  }
}

service tcp-198.51.100.64-9000 {
  vip       198.51.100.64 shared
  port      9000/tcp
  scheduler wrr
  affinity  client-ip 1d
  endpoints { }
}

defaults {
  masquerade never
}

service tcp-198.51.100.30-3306 {
  vip       198.51.100.30 shared
  port      3306/tcp
  scheduler wlc
  check     tcp every 60s timeout 3s fall 2 rise 1
  endpoints {
    10.20.4.1
  }
}

service tcp-2001_db8_30__1-443 {
  vip       2001:db8:30::1 shared
  port      443/tcp
  scheduler mh by address-port
  forward   tunnel
  endpoints {
    2001:db8:40::1 weight 10
  }
}

service udp-198.51.100.33-5060 {
  vip       198.51.100.33 shared
  port      5060/udp
  scheduler wlc
  affinity  client-ip 1d
  endpoints {
    10.20.4.4
  }
}

service sctp-198.51.100.34-7000 {
  vip       198.51.100.34 shared
  port      7000/sctp
  scheduler wlc
  endpoints { }
}

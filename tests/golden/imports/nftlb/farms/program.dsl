service web {
  vip                198.51.100.10 shared
  port tcp-80        80/tcp
  port tcp-443       443/tcp
  port tcp-8000-8009 8000-8009/tcp
  scheduler          random
  affinity           client-ip 10m per service
  masquerade         always
  snat               198.51.100.99
  endpoints {
    10.20.0.10  weight 5
    10.20.0.11  weight 4
    10.20.0.12  weight 4 backup
    10.20.0.13  draining
    10.20.0.14  draining
  }
}

service dns-v6 {
  vip        2001:db8:53::53 shared
  port       53/udp -> 5353
  scheduler  wrr
  masquerade never
  endpoints {
    2001:db8:20::10 weight 3
    [2001:db8:20::11]:5354
  }
}

service sip {
  vip        198.51.100.12 shared
  port       5060/udp
  scheduler  sh by address-port
  masquerade never
  endpoints {
    10.20.0.10
  }
}

service admin {
  external-ip 198.51.100.13 shared
  port        443/tcp -> 8443
  allow-from  192.0.2.1/32 203.0.113.0/24
  scheduler   random
  masquerade  always
  endpoints {
    10.20.0.30
  }
}

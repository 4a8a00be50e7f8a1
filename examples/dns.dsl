# DNS on udp and tcp: a large resolver that takes three of four queries, a small one, and one on its way out.

cluster {
  prefix DNS
  pods   100.64.0.0/24
}

service dns {
  vip      198.19.0.53
  port udp 53/udp -> 5353
  port tcp 53/tcp -> 5353
  endpoints {
    100.64.0.53 weight 3
    100.64.0.54
    100.64.0.55 draining                # finishes what it has, gets nothing new
  }
}

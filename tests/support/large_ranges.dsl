# Ranges of more ports than a target makes virtual servers of: all ports of an address, and some of the node.
cluster {
  prefix    CART
  pods      100.64.0.0/24 fd00:64::/64
  nodeports 30000-32767
}

node node-a {
  address 10.0.0.4 10.0.0.5 fd00:10::4
}

service all {
  vip         198.19.10.0 fd00:19::10
  external-ip 203.0.113.7
  allow-from  192.0.2.0/24 10.0.0.0/24
  port        2000-3030/tcp

  endpoints {
    100.64.0.9
    100.64.0.19 weight 2
    100.64.0.29 draining
    fd00:64::9
  }
}

service media {
  vip      198.19.20.0
  port rtp 30000-31500/udp nodeport 30000-31500
  port sip 5060/udp -> 15060 nodeport 32000
  affinity client-ip 10m

  endpoints {
    100.64.0.9
    100.64.0.19
  }
}

service together {
  vip        198.19.30.0
  port a     2000-3030/tcp
  port b     443/udp
  affinity   client-ip 10m per service
  masquerade never

  endpoints {
    100.64.0.9
    100.64.0.19
  }
}

# A machine that is the only one in front of its services, on the clients' own network.
#
# The router and the clients find 192.0.2.80 and 2001:db8:2::80 by asking who has them: this machine answers. Nobody gets
# an answer about 192.0.2.90, which a router leads here by a route.

cluster {
  pods       100.64.0.0/24 fd00:64::/64
  vip-device announced0
}

node edge { address 192.0.2.1 2001:db8:2::1 }

service shop/web {
  vip      192.0.2.80 2001:db8:2::80
  announce yes
  port     443/tcp -> 8443
  endpoints { 100.64.0.9; 100.64.0.19; fd00:64::9; fd00:64::19 }
}

service shop/metrics {
  vip  192.0.2.90
  port 9090/tcp nodeport 30090
  endpoints { 100.64.0.9 }
}

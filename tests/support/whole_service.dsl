# One memory of clients for all ports and addresses of a service, for the targets that have it.

cluster { prefix CART; pods 100.64.0.0/24 fd00:64::/64; nodeports 30000-30099 }

node edge { address 10.0.0.4 fd00:10::4 }

service shop {
  vip         198.19.10.0 fd00:19::10
  external-ip 203.0.113.7
  external-ip 203.0.113.8 2001:db8:7::8 shared
  port http   80/tcp -> 8080 nodeport 30080
  port https  443/tcp -> 8443
  port quic   443/udp -> 8443
  port media  5000-5009/udp
  affinity    client-ip 3h per service
  endpoints   { 100.64.0.9; 100.64.0.19 weight 2; fd00:64::9; fd00:64::19 }
}

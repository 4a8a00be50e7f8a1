# One memory of clients for all of a service, whose endpoints listen on its ports: what every target can express.

cluster { prefix CART; pods 100.64.0.0/24 fd00:64::/64; nodeports 30000-30099 }

node edge { address 10.0.0.4 fd00:10::4 }

service shop {
  vip         198.19.10.0 fd00:19::10
  external-ip 203.0.113.7
  port http   30080/tcp nodeport 30080
  port https  443/tcp
  port quic   443/udp
  port media  5000-5003/udp
  affinity    client-ip 3h per service
  endpoints   { 100.64.0.9; 100.64.0.19 weight 2; fd00:64::9; fd00:64::19 }
}

service inside {
  vip         198.19.20.0
  port stream 53/tcp
  port dns    53/udp
  masquerade  192.168.0.0/16
  affinity    client-ip 90s per service
  endpoints   { 100.64.0.9; 100.64.0.19 draining }
}

service apart { vip 198.19.30.0; port 80/tcp -> 8080; endpoints { 100.64.0.9; 100.64.0.19 } }

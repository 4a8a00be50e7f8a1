# Addresses that are the node's own, or somebody's else: of these the declared ports are taken, and nothing more.
cluster { prefix SHARED; pods 100.64.0.0/24 fd00:64::/64 }
node here { address 10.0.0.4 fd00:10::4 }

service own {
  external-ip 10.0.0.4 fd00:10::4 shared
  port http 80/tcp -> 8080
  port quic 443/udp -> 8443 nodeport 30443
  endpoints { 100.64.0.9 on here; 100.64.0.19; fd00:64::9 }
}
service held {
  vip         198.19.10.0
  external-ip 203.0.113.7
  external-ip 203.0.113.8 2001:db8:7::8 shared
  allow-from  192.0.2.0/24 2001:db8:100::/48
  port media  5000-5002/tcp -> 6000
  port web    80/tcp -> 8080
  endpoints { 100.64.0.19; 100.64.0.29; fd00:64::9 }
}
service empty { external-ip 203.0.113.9 shared; port 80/tcp; when-empty drop; endpoints { } }

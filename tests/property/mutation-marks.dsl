# What IPVS knows by a packet mark, and examples lack. It is of one family, and apart from mutation.dsl, as endpoints have
# to listen on the ports that clients come to, node ports among them.

cluster { prefix MUTANT; pods 100.64.0.0/24 }
node here { address 10.0.0.4 }

service whole    { vip 198.19.0.1; port a 30001/tcp nodeport 30001; port b 30010-30012/udp nodeport 30010-30012
                   affinity client-ip 2s per service
                   endpoints { 100.64.0.9; 100.64.0.19 weight 2; 100.64.0.29 draining } }
service named    { vip 198.19.0.2; port a 30002/udp nodeport 30002; port b 30002/tcp nodeport 30002
                   masquerade 192.168.0.0/30
                   affinity client-ip 2s per service; endpoints { 100.64.0.9 } }
service nobodys  { vip 198.19.0.3; port 80/tcp; affinity client-ip 2s per service; endpoints { } }
# Beside it, what IPVS knows by addresses and ports.
service apart    { vip 198.19.0.1; port a 80/tcp -> 8080 nodeport 30004; port b 80/udp -> 8080 nodeport 30004
                   endpoints { 100.64.0.9 } }
service apart2   { vip 198.19.0.2; port 80/tcp; masquerade 192.168.0.0/30; endpoints { 100.64.0.9 } }

# Hashes of a client's address and port, which not every target has.

cluster { prefix PORTS; pods 100.64.0.0/24 fd00:64::/64 }
node here { address 10.0.0.4 fd00:10::4 }
endpoints four { 100.64.0.9; 100.64.0.19; fd00:64::9; fd00:64::19 }
defaults { scheduler sh by address-port }

service streams   { vip 198.19.1.1 fd00:19::1; port 80/tcp -> 8001 nodeport 30001; endpoints four }
service datagrams { vip 198.19.1.2; port 53/udp; endpoints { 100.64.0.9 weight 2; 100.64.0.19 } }
service range     { vip 198.19.1.3; port 5000-5002/tcp; endpoints { 100.64.0.9; 100.64.0.19; 100.64.0.29 } }

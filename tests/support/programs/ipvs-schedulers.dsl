# What only IPVS does: its own schedulers, direct routing and tunnels.

cluster { prefix ONLY; pods 100.64.0.0/24 fd00:64::/64; vip-device only0 }
node here { address 10.0.0.4 fd00:10::4 }
endpoints three { 100.64.0.9; 100.64.0.19; 100.64.0.29 }

service by-load   { vip 198.19.1.1; port 80/tcp; scheduler lc; endpoints three }
service limited   { vip 198.19.1.11; port 80/tcp -> 8011; endpoints { 100.64.0.9 max-connections 5000; 100.64.0.19; 100.64.0.29 } }
service by-wload  { vip 198.19.1.2; port 80/tcp -> 8002; scheduler wlc; endpoints three }
service maglev    { vip 198.19.1.3; port 80/tcp -> 8003; scheduler mh; endpoints three }
service maglev-by { vip 198.19.1.10; port 80/tcp -> 8010; scheduler mh by address-port; endpoints three }
service hashed    { vip 198.19.1.4; port 80/tcp -> 8004; scheduler dh; endpoints three }
service delay     { vip 198.19.1.5; port 80/tcp -> 8005; scheduler sed; endpoints three }
service queue     { vip 198.19.1.6; port 80/tcp -> 8006; scheduler nq; endpoints three }
service straight  { vip 198.19.1.7; port 8007/tcp; forward direct; endpoints three }
service datagrams { vip 198.19.1.9; port 8009/udp; forward direct; one-packet yes; endpoints three }
service tunnelled { vip 198.19.1.8; port 8008/tcp; forward tunnel; endpoints three }

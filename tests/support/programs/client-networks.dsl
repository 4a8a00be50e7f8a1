# Networks of clients that affinity takes for one client, small enough to try with real packets.

cluster { prefix NETS; pods 100.64.0.0/24 fd00:64::/64 }
node here { address 10.0.0.4 fd00:10::4 }
endpoints four { 100.64.0.9; 100.64.0.19; 100.64.0.29; 100.64.0.39; fd00:64::9; fd00:64::19; fd00:64::29; fd00:64::39 }
defaults { affinity client-ip/24/64 10m }

service web   { vip 198.19.0.1 fd00:19::1; external-ip 203.0.113.1; port 80/tcp -> 8001 nodeport 30001; endpoints four }
service range { vip 198.19.0.2 fd00:19::2; port 5000-5003/udp; endpoints four }
service wide  { vip 198.19.0.3; port 80/tcp -> 8003; affinity client-ip/8; endpoints four }

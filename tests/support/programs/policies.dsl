# Every policy of the language that all three targets express, small enough to try with real packets.

let inside = [198.51.100.0/24, 2001:db8:51::/48]

cluster {
  prefix             POLICIES
  pods               100.64.0.0/24 fd00:64::/64
  services           198.19.0.0/24 203.0.113.0/28 fd00:19::/64
  nodeport-addresses 10.0.0.0/24 fd00:10::/64
  mark               0x100
}

node here  { address 10.0.0.4 fd00:10::4 172.31.0.4 }
node there { address 10.0.0.5 }

endpoints both { 100.64.0.9 on here; 100.64.0.19 on there; fd00:64::9 on here; fd00:64::19 on there }

service affinity   { vip 198.19.0.1 fd00:19::1; port 80/tcp nodeport 30001; affinity client-ip 2s; endpoints both }
service allowed    { vip 198.19.0.2; external-ip 203.0.113.2 2001:db8:7::2; port 80/tcp -> 8002 nodeport 30002
                     allow-from $inside; endpoints both }
service local-out  { vip 198.19.0.3 fd00:19::3; external-ip 203.0.113.3; port 80/tcp -> 8003 nodeport 30003
                     traffic external local; endpoints both }
service local-in   { vip 198.19.0.4 fd00:19::4; external-ip 203.0.113.4; port 80/tcp -> 8004
                     traffic internal local; endpoints both }
service always     { vip 198.19.0.5 fd00:19::5; port 80/tcp -> 8005; masquerade always; endpoints both }
service never      { vip 198.19.0.6 fd00:19::6; external-ip 203.0.113.6; port 80/tcp -> 8006; masquerade never
                     endpoints both }
service gone       { vip 198.19.0.7 fd00:19::7; port 80/tcp nodeport 30007; when-empty drop; endpoints { } }
service refusing   { vip 198.19.0.8 fd00:19::8; port 80/tcp nodeport 30008; endpoints { } }
service drained    { vip 198.19.0.9; port 80/tcp; endpoints { 100.64.0.9 draining } }
service range      { vip 198.19.0.10 fd00:19::10; port 5000-5003/udp; endpoints both }
service shifted    { vip 198.19.0.11 fd00:19::11; port 6000-6003/tcp -> 7000 nodeport 30100-30103; endpoints both }
service weighed    { vip 198.19.0.12; port 80/tcp -> 8012; scheduler wrr
                     endpoints { 100.64.0.9 weight 3; 100.64.0.19 weight 2; 100.64.0.29 } }
service turns      { vip 198.19.0.13 fd00:19::13; port a 80/tcp -> 8013; port b 80/udp -> 8013; scheduler rr
                     endpoints both }
service sticky     { vip 198.19.0.14; port 80/tcp -> 8014; scheduler sh; endpoints { 100.64.0.9; 100.64.0.19 } }
service own-port   { vip 198.19.0.15; port 80/tcp -> 8015; endpoints { 100.64.0.9:9015; 100.64.0.19 } }
service streams    { vip 198.19.0.16 fd00:19::16; port 90/sctp -> 9090 nodeport 30016; endpoints both }
service one-family { vip 198.19.0.17 fd00:19::17; port 80/tcp -> 8017; endpoints { 100.64.0.9 } }
service named      { vip 198.19.0.18 fd00:19::18; external-ip 203.0.113.18; port 80/tcp -> 8018 nodeport 30018
                     masquerade $inside 100.64.0.0/28; endpoints both }
service sources    { vip 198.19.0.19 fd00:19::19; external-ip 203.0.113.19; snat 203.0.113.20-203.0.113.21 fd00:20::1
                     port a 80/tcp -> 8019 nodeport 30019; port b 6010-6012/udp nodeport 30110-30112; endpoints both }

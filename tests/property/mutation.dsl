# Every feature of the language that all targets express and the examples lack, as few of each as show it.

cluster {
  prefix             MUTANT
  pods               100.64.0.0/24 fd00:64::/64
  services           10.0.0.12/30 fd00:19::20/126
  nodeport-addresses 10.0.0.0/24 fd00:10::/64
  mark               0x100
}

node here  { address 10.0.0.4 172.31.0.4 fd00:10::4 fd00:11::4 }    # the second ones serve no node ports
node there { address 10.0.0.5 }

service affinity { vip 198.19.0.1; port 80/tcp -> 8001 nodeport 30001; affinity client-ip 2s
                   endpoints { 100.64.0.9; 100.64.0.19 } }
service networks { vip fd00:19::21; port 80/tcp -> 8021; affinity client-ip/24/64 1m
                   endpoints { fd00:64::9; fd00:64::19 } }
service allowed  { vip 198.19.0.2; external-ip 203.0.113.2; port 80/tcp -> 8002 nodeport 30002
                   allow-from 198.51.100.0/29 100.64.0.0/28; endpoints { 100.64.0.9 } }
service outer    { vip 198.19.0.3; external-ip 203.0.113.3; port a 80/tcp -> 8003 nodeport 30003
                   port b 80/udp -> 8003 nodeport 30003; port c 90/sctp -> 8003 nodeport 30003
                   traffic external local; endpoints { 100.64.0.9 on here; 100.64.0.19 on there } }
service inner    { vip 198.19.0.4; external-ip 203.0.113.4; port 80/tcp -> 8004; masquerade never
                   traffic internal local; endpoints { 100.64.0.9 on here; 100.64.0.19 on there } }
service silent   { vip 198.19.0.5; port 80/tcp nodeport 30005; when-empty drop; endpoints { } }
service shifted  { vip 198.19.0.6; port 6000-6002/udp -> 7000 nodeport 30100-30102; scheduler rr
                   endpoints { 100.64.0.9; 100.64.0.19 } }
service weighed  { vip 198.19.0.7; port 80/tcp -> 8007; scheduler wrr; masquerade always
                   endpoints { 100.64.0.9 weight 2; 100.64.0.19; 100.64.0.29 draining } }
service hashed   { vip 198.19.0.8; port 90/sctp -> 9008 nodeport 30008; scheduler sh
                   endpoints { 100.64.0.9; 100.64.0.19 } }
service inside   { vip 10.0.0.12; port 80/tcp -> 8012; endpoints { 100.64.0.9 } }
service guest    { vip 10.0.0.13 shared; port 80/tcp -> 8013; endpoints { 100.64.0.9 } }
service own      { vip 198.19.0.9; external-ip 203.0.113.9; port 80/tcp -> 8009 nodeport 30009
                   endpoints { 10.0.0.4; 100.64.0.9:9009 } }
service six      { vip fd00:19::10; external-ip 2001:db8:7::10; port 80/tcp -> 8010 nodeport 30010
                   allow-from 2001:db8:51::/48 fd00:64::/64; affinity client-ip 2s; endpoints { fd00:64::9; fd00:64::19 } }

cluster { pods 10.1.0.0/16; nodeports 30000-30200 }
node n1 { address 192.168.1.1 }
service dns {
  vip 198.19.1.2 fd00:19::2; external-ip 203.0.113.7; allow-from 10.0.0.0/8; port 53/udp; affinity client-ip 3h
  endpoints { 10.1.0.3; 10.1.0.4 weight 3; fd00:1::3 }
}
service web { vip 198.19.1.1; port 80/tcp nodeport 30080; endpoints { 10.1.0.1; 10.1.0.2 } }

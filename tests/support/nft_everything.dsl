# Every feature of the nft target, in services that each show one or two.
cluster {
  prefix     LAB
  pods       100.64.0.0/24 fd00:64::/64
  nodeports  30000-32767
}
node one { address 10.0.0.4 fd00:10::4 }
node two { address 10.0.0.5 }

service plain {                       # the default: random, kept from pods, masqueraded from outside
  vip 198.19.10.0 fd00:19::10
  external-ip 203.0.113.7
  port http 80/tcp -> 8080 nodeport 30080
  port dns  53/udp -> 5353 nodeport 30053
  endpoints { 100.64.0.9; 100.64.0.19; fd00:64::9; fd00:64::19 }
}

service fair {
  vip 198.19.10.1
  scheduler rr
  port 80/tcp -> 8080
  endpoints { 100.64.0.9; 100.64.0.19; 100.64.0.29 }
}

service fairer {
  vip 198.19.10.2
  scheduler rr
  port 80/tcp -> 8080 nodeport 30082
  endpoints { 100.64.0.9; 100.64.0.19 }
}

service weighted {
  vip 198.19.10.3
  scheduler wrr
  port 80/tcp -> 8080
  endpoints { 100.64.0.9 weight 3; 100.64.0.19 weight 6; 100.64.0.29 draining; 100.64.0.39 weight 3 }
}

service heavy {
  vip 198.19.10.4
  port 80/tcp -> 8080
  endpoints { 100.64.0.9 weight 65535; 100.64.0.19 }
}

service hashed {
  vip 198.19.10.5
  scheduler sh
  port 80/tcp -> 8080
  endpoints { 100.64.0.9; 100.64.0.19 weight 2 }
}

service sticky {
  vip 198.19.10.6
  affinity client-ip 4s
  port 80/tcp -> 8080 nodeport 30086
  endpoints { 100.64.0.9; 100.64.0.19; 100.64.0.29 }
}

service always {
  vip 198.19.10.7
  masquerade always
  port 80/tcp -> 8080
  endpoints { 100.64.0.9 }
}

service never {
  vip 198.19.10.8
  external-ip 203.0.113.8
  masquerade never
  port 80/tcp -> 8080 nodeport 30088
  endpoints { 100.64.0.9 }
}

service local {
  external-ip 203.0.113.9
  vip 198.19.10.9
  scheduler rr
  traffic external local
  port 80/tcp -> 8080 nodeport 30089
  endpoints { 100.64.0.9 on one; 100.64.0.19 on two; 100.64.0.29 on one }
}

service gone {
  vip 198.19.10.10
  port 80/tcp nodeport 30090
  endpoints { }
}

service silent {
  vip 198.19.10.11
  when-empty drop
  port 80/tcp nodeport 30091
  endpoints { }
}

service media {
  vip 198.19.10.12
  port 5000-5009/udp nodeport 31000-31009
  endpoints { 100.64.0.9; 100.64.0.19 }
}

service moved {
  vip 198.19.10.13 fd00:19::13
  affinity client-ip 1m
  port a 6000-6009/tcp -> 7000
  port b 7000-7009/tcp -> 6000
  endpoints { 100.64.0.9; 100.64.0.19; fd00:64::9 }
}

service guarded {
  vip 198.19.10.14
  external-ip 203.0.113.14
  allow-from 172.16.0.0/12 172.17.0.0/16
  port 80/tcp -> 8080 nodeport 30094
  endpoints { 100.64.0.9 }
}

service guarded-gone {
  external-ip 203.0.113.15 2001:db8:7::15
  allow-from 172.16.0.0/12
  port 80/tcp nodeport 30095
  endpoints { }
}

service overrides {
  vip 198.19.10.16
  port 80/tcp -> 8080
  endpoints { 100.64.0.9; 100.64.0.19:9090; 100.64.0.9:9090 }
}

service stream {
  vip 198.19.10.17
  port 90/sctp -> 9000
  endpoints { 100.64.0.9 }
}

service gone-range {
  vip 198.19.10.18
  port 4000-4009/udp nodeport 31100-31109
  endpoints { }
}

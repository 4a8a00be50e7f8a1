cluster {
  nodeports 30000-33000
}

node "10.0.0.6" {
  address 10.0.0.6
  zone    eu-1b
}

node node-a {
  address 10.0.0.4 fd00::4
  zone    eu-1a
}

node node-b {
  address 10.0.0.5 fd00::5
  zone    eu-1b
}

service "2048/game" {
  vip       10.96.20.7
  port http 80/tcp -> 8080 nodeport 33000
  endpoints { }
}

service default/kubernetes {
  vip        10.96.0.1
  port https 443/tcp -> 6443
  endpoints {
    10.0.0.4
  }
}

service kube-system/kube-dns {
  vip          10.96.0.10
  port dns     53/udp
  port dns-tcp 53/tcp
  port metrics 9153/tcp
  endpoints {
    10.244.0.2  on node-a
    10.244.1.3  on node-b
  }
}

service logs/agent {
  vip       10.96.20.1
  port gelf 12201/udp
  traffic   internal local
  endpoints {
    100.64.5.1  on node-a
    100.64.5.2  on node-b
  }
}

service logs/auto {
  vip       10.96.20.4
  port http 80/tcp -> 8080
  endpoints {
    100.64.5.5  on node-b
  }
}

service logs/near-node {
  vip       10.96.20.3
  port http 80/tcp -> 8080
  traffic   internal prefer-local
  endpoints {
    100.64.5.4  on node-b
  }
}

service logs/near-zone {
  vip       10.96.20.2
  port http 80/tcp -> 8080
  traffic   internal prefer-zone
  endpoints {
    100.64.5.3  on node-a
  }
}

service logs/odd {
  vip       10.96.20.5
  port http 80/tcp -> 8080
  endpoints { }
}

service media/sip {
  vip          10.96.20.6
  port sip     5060/sctp
  port sip-udp 5060/udp
  endpoints {
    100.64.6.1
    100.64.6.2
  }
}

service shop/empty {
  vip        10.96.10.15
  port http  80/tcp
  port https 443/tcp -> 8443
  endpoints { }
}

service shop/leaving {
  vip        10.96.10.14
  port       80/tcp -> 8080
  when-empty draining
  endpoints {
    100.64.4.1  draining on node-a
  }
}

service shop/on-node {
  vip         10.96.20.8
  external-ip 10.0.0.5 shared
  port http   80/tcp -> 8080
  endpoints { }
}

service shop/partly/http {
  vip       10.96.10.13
  port http 80/tcp -> 8080
  endpoints {
    100.64.3.1
  }
}

service shop/partly/metrics {
  vip          10.96.10.13
  port metrics 9090/tcp
  endpoints { }
}

service shop/rollout/admin {
  vip        10.96.10.11
  port admin 9000/tcp
  endpoints {
    100.64.1.1  on node-a
    100.64.1.2  on node-b
    100.64.1.3  on node-a
  }
}

service shop/rollout/http {
  vip       10.96.10.11
  port http 80/tcp -> 8080
  endpoints {
    100.64.1.1      on node-a
    100.64.1.2      on node-b
    100.64.1.3:8081 on node-a
  }
}

service shop/single {
  vip  10.96.10.12
  port 80/tcp -> 8081
  endpoints {
    100.64.2.1:8080 on node-a
    100.64.2.2      on node-a
    100.64.2.3      on node-a
  }
}

service shop/web {
  vip             10.96.10.10 fd00:96::10
  external-ip     203.0.113.7 2001:db8::7 203.0.113.9 shared
  port http       80/tcp -> 8080 nodeport 30080
  port "8443-tcp" 8443/tcp nodeport 30443
  allow-from      10.0.0.0/8 192.0.2.0/24
  affinity        client-ip 3h
  traffic         external local
  when-empty      draining
  endpoints {
    100.64.0.9  on node-a
    100.64.0.19 on node-b
    100.64.0.29 draining on node-a
    100.64.0.39 on "10.0.0.6"
    fd00:64::9  on node-a
  }
}

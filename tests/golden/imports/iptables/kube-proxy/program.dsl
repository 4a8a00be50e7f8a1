cluster {
  pods 100.64.0.0/10 fd00:64::/48
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
    10.244.0.2
    10.244.1.3
  }
}

service media/sip {
  vip      10.96.10.15
  port sip 5060/sctp
  endpoints {
    100.64.4.1
  }
}

service shop/edge {
  vip       10.96.10.13
  port http 80/tcp -> 8080 nodeport 32080
  endpoints {
    100.64.3.1
    100.64.3.2
  }
}

service shop/empty {
  vip       10.96.10.14
  port http 80/tcp nodeport 30081
  endpoints { }
}

service shop/rollout/admin {
  vip        10.96.10.11
  port admin 9000/tcp
  endpoints {
    100.64.1.1
    100.64.1.2
  }
}

service shop/rollout/http {
  vip       10.96.10.11
  port http 80/tcp -> 8080
  endpoints {
    100.64.1.1
    100.64.1.2:8081
  }
}

service shop/sticky {
  vip      10.96.10.12
  port     80/tcp -> 8080
  affinity client-ip 10m
  endpoints {
    100.64.2.1
    100.64.2.2
  }
}

service shop/web {
  vip             10.96.10.10 fd00:96::10
  external-ip     203.0.113.7 2001:db8::7 203.0.113.9 shared
  port "8443-tcp" 8443/tcp nodeport 30443
  port http       80/tcp -> 8080 nodeport 30080
  allow-from      10.0.0.0/8 192.0.2.0/24
  endpoints {
    100.64.0.9
    100.64.0.19
    100.64.0.39
    fd00:64::9
    fd00:64::19
  }
}

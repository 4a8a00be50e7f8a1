cluster { pods 100.64.0.0/24 }

node node-a { address 10.0.0.4 }
node node-b { address 10.0.0.5 }

service shop/web {
  vip 198.19.10.0
  port http  80/tcp -> 8080 nodeport 30080
  port https 443/tcp -> 8443
  endpoints {
    100.64.0.9  on node-a draining
    100.64.0.19 on node-b
  }
}

service shop/db {
  vip 198.19.20.0
  port 5432/tcp
  endpoints { 100.64.0.10; 100.64.0.20 }
}

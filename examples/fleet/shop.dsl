# One service on three machines. Its endpoints are pods behind all of them; who asks reaches them through the machine
# that the packets come to.

svcc 1

cluster {
  pods 100.64.0.0/24
}

node node-a { address 10.9.0.11; zone east }
node node-b { address 10.9.0.12; zone east }
node node-c { address 10.9.0.13; zone west }

service shop/web {
  vip  198.19.10.0
  port 80/tcp -> 8080 nodeport 30080
  endpoints {
    100.64.0.9
    100.64.0.19
  }
}

# A shop with a web front, IPv4 and IPv6 side by side, and a database that is IPv4 only.

svcc 1

cluster {
  prefix    SHOP
  pods      100.64.0.0/24 fd00:64::/64
  services  198.19.0.0/16 fd00:19::/64  # what no service has here is rejected
  nodeports 30000-30099
}

node rack-a { address 10.0.0.4 fd00:10::4; zone a }

endpoints web {                         # shared by the shop and its admin front
  100.64.0.9
  100.64.0.19
  fd00:64::9
  fd00:64::19
}

service shop/web {
  vip         198.19.10.0 fd00:19::10
  external-ip 203.0.113.7 2001:db8:7::7
  port http   80/tcp -> 8080 nodeport 30080
  port https  443/tcp -> 8443 nodeport 30043
  port quic   443/udp -> 8443
  endpoints   web
}

service shop/admin {
  vip  198.19.10.1 fd00:19::11
  port 80/tcp -> 9090
  endpoints web {
    100.64.0.39
    [fd00:64::39]:9191                  # the new image listens elsewhere
  }
}

service shop/db {
  vip  198.19.20.0
  port 5432/tcp
  endpoints { 100.64.0.10; 100.64.0.20 }
}

service shop/reports {                  # not rolled out yet: clients are refused at once
  vip  198.19.20.1
  port 80/tcp
  endpoints { }
}

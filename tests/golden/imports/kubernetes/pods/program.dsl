cluster {
  pods 10.244.0.0/23
}

node node-a {
  address 172.18.0.3 fc00:f853:ccd:e793::3
  zone    eu-1a
}

node node-b {
  address 172.18.0.4
}

node node-c {
  address 172.18.0.5
}

service shop/web {
  vip       10.96.0.10 fd00:96::10
  port http 80/tcp -> 8080
  endpoints {
    10.244.0.5  on node-a
    10.244.1.7  on node-b
    172.18.0.4  on node-b
    fd00:999::5 on node-a
  }
}

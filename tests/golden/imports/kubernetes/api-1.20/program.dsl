node node-a {
  address 10.0.0.4
  zone    eu-1a
}

service default/before-1-20 {
  vip  198.18.0.7
  port 80/tcp
  endpoints { }
}

service default/s0 {
  vip  198.18.181.119
  port 80/tcp
  endpoints {
    100.64.0.1
    100.64.0.2  on node-a
  }
}

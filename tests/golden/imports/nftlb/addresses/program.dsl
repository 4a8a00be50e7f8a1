service shop {
  vip          198.51.100.21 2001:db8:21::1 shared
  port tcp-80  80/tcp -> 8080
  port tcp-443 443/tcp -> 8080
  scheduler    rr
  masquerade   never
  endpoints {
    10.20.1.1
    2001:db8:20:1::1
  }
}

service shop-2 {
  vip        198.51.100.22 shared
  port       8080/tcp
  scheduler  rr
  masquerade never
  endpoints {
    10.20.1.1
  }
}

service shop/web {
  vip         198.19.10.0
  external-ip 203.0.113.7 shared
  port http   80/tcp -> 8080
  endpoints {
    100.64.0.9
    100.64.0.19
  }
}

# The web team.

endpoints web-pool {
  100.64.0.9
  100.64.0.19   weight 2 on left        # the bigger machine
}

service web {
  vip        198.19.10.0
  port http  80/tcp -> 8080 nodeport 30080
  port https 443/tcp -> 8443
  endpoints  web-pool
}

service web-canary {
  vip        198.19.10.1
  port       80/tcp -> 8080
  when-empty reject
  endpoints  web-pool { 100.64.0.99 }
}

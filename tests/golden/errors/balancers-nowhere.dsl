service shop/web {
  vip  198.19.0.1
  port http 80/tcp nodeport 30080
  port quic 443/udp nodeport 30443
  endpoints { 100.64.0.1 }
}
service db { vip 198.19.0.2; port 5432/tcp nodeport 30432; endpoints { 100.64.0.2 } }
balancer public {
  network vpc-1 subnet-1
  listen 80/http
  route /d -> shop/web:htp
#             ^ SVC011
  route /e -> shop/wep:http
#             ^ SVC011
  route /f -> db:sql
#             ^ SVC011
}
balancer lines {
  kind    network
  network vpc-1 subnet-1
  listen  444/tcp
#         ^ SVC021
}
balancer silent { network vpc-1 subnet-1 }
#        ^ SVC021

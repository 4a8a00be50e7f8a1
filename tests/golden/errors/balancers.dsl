node node-a { address 10.0.0.4; instance i-0123456789abcdef0 }
node node-b { address 10.0.0.5; instance i-0123456789abcdef0 }
#                                        ^ SVC010
service shop/web {
  vip  198.19.0.1
  port http 80/tcp nodeport 30080
  port quic 443/udp nodeport 30443
  port media 5000-5001/tcp nodeport 30500-30501
  port plain 81/tcp
  endpoints { 100.64.0.1 }
}
service db { vip 198.19.0.2; port 5432/tcp nodeport 30432; endpoints { 100.64.0.2 } }
balancer public {
  kind aplication
#      ^ SVC023
  scheme public
#        ^ SVC023
  network vpc-1 subnet-1 subnet-1
#                        ^ SVC010
  security sg-1
  security sg-2
# ^ SVC020
  listen 80/http default 503 "Retry later"
  listen 80/http default 302
#                        ^ SVC024
  listen 8080-8081/http
#        ^ SVC085
  listen 443/https
#            ^ SVC041
  listen 80/http
#        ^ SVC085
  listen 53/udp
#        ^ SVC085
  route / /svc1 /service1 /svc1 -> shop/web:http
#                         ^ SVC087
  route /svc1 -> db
#       ^ SVC087
  route /a=b -> db
#       ^ SVC086
  route /c -> shop/web
#             ^ SVC086
  route /g -> shop/web:plain
#             ^ SVC086
  route /h -> shop/web:media
#             ^ SVC086
  route /i -> "shop/web":"quic"
#             ^ SVC086
  route 80 -> db
#       ^ SVC086
}
balancer lines {
  kind    network
  network vpc-1 subnet-1
  listen  5432/tcp
  listen  443/udp
  listen  80/http
#         ^ SVC085
  listen  81/tcp default 503
#                ^ SVC085
  route   5432 -> db
  route   5432 -> db
#         ^ SVC087
  route   443 -> db
#                ^ SVC086
  route   81 -> db
  route   82 -> db
#         ^ SVC086
  route   83-84 -> db
#         ^ SVC085
  route   / -> db
#         ^ SVC086
}
balancer empty { network vpc-1; listen 80/http }
balancer empty { network vpc-1; listen 80/http }
#        ^ SVC010

 backend web {
#^ SVC002
}
service web {
  vip 198.19.0.1
  port 80/tcp
  balance roundrobin
# ^ SVC002
  bind 198.19.0.1:80
# ^ SVC002
  scheduler roundrobin
#           ^ SVC023
  mode tcp
# ^ SVC002
  endpoints { server web1 100.64.0.9:8080 }
#             ^ SVC001
}

service web {
  vip 198.19.0.0/24
#     ^ SVC030
  port 80/tcp
  endpoints { 100.64.0.9 }
}
service all {
  vip 0.0.0.0:80
#     ^ SVC030
  port 80/tcp
  endpoints { 100.64.0.9 }
}
service any {
  vip *:80
#     ^ SVC001
  port 80/tcp
  endpoints { 100.64.0.9 }
}
service sock {
  vip 198.19.0.1:80
#     ^ SVC030
  port 80/tcp
  endpoints { 100.64.0.9 }
}

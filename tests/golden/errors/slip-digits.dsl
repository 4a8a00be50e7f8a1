service 9to5/web {
#       ^ SVC001
  vip 198.19.0.1
  port 8080-tcp 80/tcp
  endpoints { 100.64.0.9 }
}
service default/web {
  vip 198.19.0.1
  port web@2 81/tcp
#      ^ SVC001
  endpoints { 100.64.0.9 }
}
service api {
  vip 198.19.0.1
  port 80/tcp
  
  endpoints { 100.64.0.9 on 1a }
#                           ^ SVC001
}

service web/templates {
  vip {{ vip }}
#     ^ SVC001
  port 80/tcp
  endpoints { ${ENDPOINTS} }
#             ^ SVC001
}
service web/merged {
 <<<<<<< HEAD
#^ SVC002
  vip 198.19.0.1
 =======
#^ SVC001
 >>>>>>> other
#^ SVC002
  port 80/tcp
  endpoints { 100.64.0.9 }
}

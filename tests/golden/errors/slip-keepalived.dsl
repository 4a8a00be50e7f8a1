 virtual_server 198.19.0.1 80 {
#^ SVC002
  real_server 100.64.0.9 8080 {
    weight 1
  }
}
service web {
  vip 198.19.0.1
  port 80/tcp
  lb_algo wlc
# ^ SVC002
  lb_kind NAT
# ^ SVC002
  persistence_timeout 50
# ^ SVC002
  scheduler WLC
#           ^ SVC023
  endpoints {
    real_server 100.64.0.9
#   ^ SVC001
  }
}

 virtual_server 198.19.0.1 80 {
#^ SVC080
  lb_algo wlc
  lb_kind NAT
  real_server 100.64.0.9 8080 {
  }
}

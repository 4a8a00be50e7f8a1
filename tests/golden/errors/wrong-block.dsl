cluster {
  scheduler rr
# ^ SVC002
  pods 100.64.0.0/24
}
 vip 198.19.0.1
#^ SVC002
node a {
  address 10.0.0.1
  pods 100.64.0.0/24
# ^ SVC002
}

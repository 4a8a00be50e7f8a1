service web
#          ^ SVC001
 {
  vip 198.19.0.1
}
node a
#     ^ SVC001
{ address 10.0.0.1 }
service other   # a remark
#            ^ SVC001

{
  vip 198.19.0.2
  port 80/tcp
  endpoints
#          ^ SVC001
  {
    100.64.0.9
  }
}

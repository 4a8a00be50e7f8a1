service web
#          ^ SVC001
 {
#^ SVC001
  vip 198.19.0.1
}

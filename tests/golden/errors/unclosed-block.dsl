service web {
  vip 198.19.0.1
  endpoints {
#           ^ SVC003
    100.64.0.1

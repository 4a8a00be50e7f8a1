service web {
  vip 198.19.0.1
  port 80/tcp
  scheduler rr
#          ^ SVC001
  port api 80–81/tcp
#          ^ SVC001
  ﻿announce yes
# ^ SVC002
  endpoints { 100.64.0.9 }
}

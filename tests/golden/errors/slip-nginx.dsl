service web {
  vip 198.19.0.1
  port 80/tcp
  listen 80
# ^ SVC002
  ip_hash
# ^ SVC002
  upstream { server 100.64.0.9; }
# ^ SVC002
}

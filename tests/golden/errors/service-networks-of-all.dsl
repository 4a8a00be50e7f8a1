cluster { services 0.0.0.0/0 }
#                  ^ SVC031
service web { vip 198.19.0.1; port 80/tcp; endpoints { } }

service portless { vip 198.19.0.1; endpoints { } }
#       ^ SVC021
service unreachable { port 80/tcp; endpoints { } }
#       ^ SVC050
service half { vip 198.19.0.2 fd00:19::2; port 80/tcp; endpoints { 100.64.0.1 } }
#                             ^ SVC051

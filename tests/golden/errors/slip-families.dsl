service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.9; fd00:64::9 } }
#                                                                  ^ SVC053
service six { vip fd00:19::1; port 80/tcp; endpoints { fd00:64::9:8080 } }
#                                                      ^ SVC030
node a { address 10.0.0.4 }
service all { vip fd00:19::2; port 80/tcp nodeport 30080; endpoints { fd00:64::9; 100.64.0.9 } }

cluster { pods 100.64.0.0/24 }
node here { address 10.0.0.4 }
service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.0; 100.64.0.255; 100.64.0.9 } }
#                                                      ^ SVC033
#                                                                  ^ SVC033
service api { vip 100.64.0.9 10.0.0.4; port 80/tcp; endpoints { } }
#                 ^ SVC034
#                            ^ SVC034
service out { external-ip 198.19.0.1; port 81/tcp; endpoints { } }
#                         ^ SVC034

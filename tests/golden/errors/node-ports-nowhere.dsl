cluster { nodeport-addresses 127.0.0.0/8 ::1 10.0.0.0/8 0.0.0.0/32 224.0.0.0/4 0.0.0.0/0 }
#                            ^ SVC048
#                                        ^ SVC048
#                                                       ^ SVC048
#                                                                  ^ SVC048
node n { address 10.0.0.4 }
service web { vip 198.19.10.1; port 80/tcp nodeport 30080; endpoints { 100.64.0.9 } }

let elsewhere = 198.19.0.1
#               ^ SVC035
service web { vip $elsewhere $elsewhere; port 80/tcp; endpoints { } }
service api { vip 198.19.0.2 198.19.0.2; port 80/tcp; endpoints { } }
#                            ^ SVC035

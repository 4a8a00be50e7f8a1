cluster { vip-device none }
node here { address 10.0.0.4 }
service web { vip 198.19.0.1; external-ip 203.0.113.7 shared; port 80/tcp nodeport 30080; endpoints { 100.64.0.9 } }
service api { external-ip 203.0.113.7; port 81/tcp; endpoints { 100.64.0.9 } }
#                         ^ SVC036
service own { external-ip 10.0.0.4 shared; port 30080/tcp; endpoints { 100.64.0.9 } }
#                                               ^ SVC043
service two { external-ip 203.0.113.8; external-ip 203.0.113.9 shared; external-ip 203.0.113.8 shared
#                                                                      ^ SVC020
  vip 198.19.0.2; vip 198.19.0.2 shared
#                     ^ SVC035
  port 80/tcp; endpoints { 100.64.0.9 } }
service out { vip 198.19.0.3; announce yes; port 80/tcp; endpoints { 100.64.0.9 } }
#                                      ^ SVC052
service may { vip 198.19.0.4; announce maybe; port 80/tcp; endpoints { 100.64.0.9 } }
#                                      ^ SVC023

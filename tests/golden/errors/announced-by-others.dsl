service web { external-ip 203.0.113.7 shared; announce yes; port 80/tcp; endpoints { 100.64.0.9 } }
#                                                      ^ SVC052
service api { announce yes; port 81/tcp nodeport 30081; endpoints { 100.64.0.9 } }
#                      ^ SVC052
service all { vip 198.19.0.1; announce no; port 80/tcp; endpoints { 100.64.0.9 } }
node n { address 192.0.2.4 }

# One memory for a whole service needs the same endpoints behind all that it listens on.
cluster { nodeports 30000-30099 }
node here { address 10.0.0.4 }
service web { vip 198.19.0.1; external-ip 203.0.113.1; port 80/tcp; traffic external local
              affinity client-ip 1h per service; endpoints { 100.64.0.9 on here } }
#                                   ^ SVC058
service api { vip 198.19.0.2; port 80/tcp nodeport 30080; traffic internal prefer-local
              affinity client-ip per service; endpoints { 100.64.0.9 on here } }
#                                ^ SVC058
service fine { vip 198.19.0.3; port 80/tcp; traffic external local
#                                                            ^ SVC057
               affinity client-ip per service; endpoints { 100.64.0.9 on here } }

node n { address 2001:db8::4 }
service al { vip 198.19.10.1; port 80/tcp nodeport 30080; endpoints { 100.64.0.9 } }
service own { vip 10.0.0.1-10.0.0.2 shared; port 8088/tcp; endpoints { 100.64.0.9 } }
#                 ^ SVC048
service public { external-ip fd00::7 203.0.113.7 shared; port 443/tcp; endpoints { 100.64.0.9; fd00:64::9 } }
#                                    ^ SVC048

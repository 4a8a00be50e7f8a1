cluster { nodeport-addresses 10.0.0.0/8 }
node n { address 10.0.0.4 }
service web { vip 198.19.10.1; port 80/tcp nodeport 30080; endpoints { 100.64.0.9 } }
service six { vip fd00:19::1; port 80/tcp nodeport 30081; endpoints { fd00:64::9 } }
#                                                  ^ SVC048

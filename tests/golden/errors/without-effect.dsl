node n { address 10.0.0.4 }
let ours = [203.0.113.8, fd00:8::8]
defaults { allow-from 10.0.0.0/8; traffic external local }
endpoints pool { 100.64.0.9 weight 2; 100.64.0.19 }

service outside { external-ip 203.0.113.7; port 80/tcp; snat $ours; endpoints pool }
service both    { vip 198.19.0.1 fd00:19::1; port 80/tcp; snat $ours; scheduler rr; endpoints pool { fd00:64::9 } }
service vips    { vip 198.19.0.2; port 80/tcp; endpoints { 100.64.0.9 }; allow-from 10.0.0.0/8 }
#                                                                                   ^ SVC057
service taken   { vip 198.19.0.3; port 80/tcp; endpoints { 100.64.0.9 }; traffic external local }
#                                                                                         ^ SVC057
service nodes   { port 80/tcp nodeport 30080; endpoints { 100.64.0.9 }; traffic internal local }
#                                                                                        ^ SVC057
service turns   { vip 198.19.0.4; port 80/tcp; scheduler rr; endpoints { 100.64.0.9 weight 2; 100.64.0.19 weight 3 } }
#                                                                        ^ SVC057
service source  { vip 198.19.0.5; port 80/tcp; endpoints { 100.64.0.9; 100.64.0.19 weight 2 }; snat 203.0.113.8 fd00:8::9 }
#                                                                                                               ^ SVC057

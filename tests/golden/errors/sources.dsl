service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.9 }; snat 203.0.113.8 203.0.113.10 }
#                                                                                   ^ SVC059
service b { vip 198.19.0.2; port 80/tcp; endpoints { 100.64.0.9 }; snat 203.0.113.9-203.0.113.8 }
#                                                                       ^ SVC030
service c { vip 198.19.0.3; port 80/tcp; endpoints { 100.64.0.9 }; snat 203.0.113.8 203.0.113.8 }
#                                                                                   ^ SVC035
service d { vip 198.19.0.4; port 80/tcp; endpoints { 100.64.0.9 }; snat 127.0.0.1 }
#                                                                       ^ SVC033
service e { vip 198.19.0.5; port 80/tcp; endpoints { 100.64.0.9 }; snat 203.0.113.0/24 }
#                                                                       ^ SVC030
service f { vip 198.19.0.6 fd00:19::6; port 80/tcp; endpoints { 100.64.0.9; fd00:64::9 }; snat fd00:8::1 203.0.113.8 fd00:8::2 }

cluster { nodeport-addresses 10.0.0.0/8 fd00:10::/64 }
node n { address 10.0.1.1 192.0.2.1 fd00:10::1 }
node m { address 10.0.1.2 }
service pods { vip 198.19.0.1; port web 80/tcp -> 8080 nodeport 30080; port media 5000-5009/udp nodeport 31000-31009; endpoints { 100.64.0.11 } }
service six { vip fd00:19::1; port 80/tcp -> 8080 nodeport 30086; endpoints { fd00:64::11 } }
service chain { vip 198.19.0.2; port 80/tcp -> 30080; endpoints { 10.0.1.1; 10.0.1.2; 10.0.1.3 } }
#                                                                 ^ SVC049
#                                                                           ^ SVC049
service own-port { vip 198.19.0.3; port 80/tcp; endpoints { 10.0.1.1:30080 } }
#                                                           ^ SVC049
service ranges { vip 198.19.0.4; port 6000-6004/udp -> 31006; endpoints { 10.0.1.1 } }
#                                                                         ^ SVC049
service itself { vip fd00:19::5; port 80/tcp -> 30087 nodeport 30087; endpoints { fd00:10::1 } }
#                                                                                 ^ SVC049

# other ports, protocols, families and addresses
service ssh { vip 198.19.0.6; port 22/tcp; endpoints { 10.0.1.1 } }
service datagrams { vip 198.19.0.7; port 80/udp -> 30080; endpoints { 10.0.1.1 } }
service family { vip fd00:19::8; port 80/tcp -> 30080; endpoints { fd00:10::1 } }
service unserved { vip 198.19.0.9; port 80/tcp -> 30080; endpoints { 192.0.2.1 } }
service past { vip 198.19.0.10; port 80/tcp -> 30086; endpoints { 10.0.1.1 } }

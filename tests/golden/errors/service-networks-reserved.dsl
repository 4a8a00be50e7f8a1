# What is sent to them would be rejected: this machine's own resolver, mDNS, DHCP, neighbours.
cluster {
  services 198.19.0.0/16 127.0.0.53/32 224.0.0.0/4 255.255.255.255/32 fe80::/10 ff02::/16 112.0.0.0/4 fc00::/6
#                        ^ SVC033
#                                      ^ SVC033
#                                                  ^ SVC033
#                                                                     ^ SVC033
#                                                                               ^ SVC033
#                                                                                         ^ SVC033
#                                                                                                     ^ SVC033
}
service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.9 } }

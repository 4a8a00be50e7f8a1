service a { vip 198.19.0.1; port 80/tcp; endpoints { }; affinity client-ip/33 }
#                                                                ^ SVC024
service b { vip 198.19.0.2; port 80/tcp; endpoints { }; affinity client-ip/24/0 3h }
#                                                                ^ SVC024
service c { vip 198.19.0.3; port 80/tcp; endpoints { }; affinity client-ip/24/64/1 }
#                                                                ^ SVC023
service d { vip 198.19.0.4; port 80/tcp; endpoints { }; affinity client-ip/24/64 }

defaults { scheduler sh by address-port }
service hashed { vip 198.19.0.1; port 80/tcp; endpoints { } }
service turns  { vip 198.19.0.2; port 80/tcp; endpoints { }; scheduler rr }
service ports  { vip 198.19.0.3; port 80/tcp; endpoints { }; scheduler rr by address-port }
#                                                                            ^ SVC023
service source { vip 198.19.0.4; port 80/tcp; endpoints { }; scheduler mh by port }
#                                                                            ^ SVC023
service random { vip 198.19.0.5; port 80/tcp; endpoints { }; scheduler random by address }
#                                                                                ^ SVC023
service plain  { vip 198.19.0.6; port 80/tcp; endpoints { }; scheduler sh by address }

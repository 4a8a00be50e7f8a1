# The addresses that sources become. It is apart from mutation.dsl, so that neither needs branches.

cluster { prefix MUTANT; pods 100.64.0.0/24 }
node here { address 10.0.0.4 }

service sources  { vip 198.19.0.10; external-ip 203.0.113.10; snat 203.0.113.20-203.0.113.21; endpoints { 100.64.0.9 }
                   port a 80/tcp -> 8011 nodeport 30011; port b 6010-6011/udp -> 7020 nodeport 30110-30111
                   port e 82/udp -> 8017 nodeport 30013 }
# Beside what has sources: its ports with the other protocol, and the ports after it.
service beside   { vip 198.19.0.10; external-ip 203.0.113.10; endpoints { 100.64.0.9; 100.64.0.19; 10.0.0.4 }
                   port a 80/udp -> 8012 nodeport 30011; port b 6010-6011/tcp -> 7010 nodeport 30110-30111
                   port c 6012-6013/udp -> 8013 nodeport 30112-30113; port d 82/tcp -> 8016 nodeport 30013 }
service source   { vip 198.19.0.11; port 30011/tcp -> 8014; snat 203.0.113.22
                   endpoints { 100.64.0.9 } }
service plain    { vip 198.19.0.11; port 30013/udp -> 8015
                   endpoints { 100.64.0.9 } }

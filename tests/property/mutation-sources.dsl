# The addresses that sources become. It is apart from mutation.dsl, so that neither needs branches.

cluster { prefix MUTANT; pods 100.64.0.0/24 }
node here { address 10.0.0.4 }

service sources  { vip 198.19.0.10; external-ip 203.0.113.10; snat 203.0.113.20-203.0.113.21; endpoints { 100.64.0.9 }
                   port a 80/tcp -> 8011 nodeport 30011; port b 6010-6011/udp nodeport 30110-30111 }
service source   { vip 198.19.0.11; port 30011/tcp -> 8014; snat 203.0.113.22; masquerade always
                   endpoints { 100.64.0.9 } }
service plain    { vip 198.19.0.11; port 30011/udp -> 8015 nodeport 30011; masquerade always
                   endpoints { 100.64.0.9 } }

# What depends on the network that a client is in. It is apart from mutation.dsl, so that neither needs branches.

cluster {
  prefix             MUTANT
  pods               100.64.0.0/24 fd00:64::/64
  nodeport-addresses 10.0.0.0/24 fd00:10::/64
}

node here { address 10.0.0.4 fd00:10::4 }

service networks { vip 198.19.0.21 fd00:19::21; port 80/tcp -> 8021 nodeport 30021; affinity client-ip/24/64 1m
                   endpoints { 100.64.0.9; 100.64.0.19; fd00:64::9; fd00:64::19 } }
service named    { vip 198.19.0.11 fd00:19::11; external-ip 203.0.113.11; port 80/tcp -> 8011 nodeport 30011
                   masquerade 100.64.0.32/32 fd00:64::20/124
                   endpoints { 100.64.0.9; 100.64.0.19; fd00:64::9 } }

# One file per team: this one holds what all share.

svcc 1
include "split/services/*.dsl"

let machines = [10.0.0.0/24, fd00:10::/64]

cluster {
  prefix             TEAMS
  pods               100.64.0.0/22 fd00:64::/64
  nodeport-addresses $machines          # the management network serves no node ports
}

node left { address 10.0.0.4; zone a }

node here { address 10.0.0.4; zone eu-1a }
node there { address 10.0.0.5 }
defaults { traffic internal prefer-zone }
#                           ^ SVC054
service alone { vip 198.19.0.1 fd00:19::1; port 80/tcp; endpoints { 100.64.0.1 on here; fd00:64::1 on here backup } }
#                                                                                       ^ SVC055
service nowhere {
  vip 198.19.0.2
  port 80/tcp
  traffic internal prefer-local
#                  ^ SVC054
  endpoints { 100.64.0.1; 100.64.0.2 backup }
}

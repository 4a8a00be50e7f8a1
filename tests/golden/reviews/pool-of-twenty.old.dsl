cluster { pods 100.64.0.0/24 }

endpoints shared {
  100.64.0.9
  100.64.0.19
  100.64.0.29
}

service tenant/01 { vip 198.19.30.1; port 80/tcp -> 8080; endpoints shared }
service tenant/02 { vip 198.19.30.2; port 80/tcp -> 8080; endpoints shared }
service tenant/03 { vip 198.19.30.3; port 80/tcp -> 8080; endpoints shared }
service tenant/04 { vip 198.19.30.4; port 80/tcp -> 8080; endpoints shared }
service tenant/05 { vip 198.19.30.5; port 80/tcp -> 8080; endpoints shared }
service tenant/06 { vip 198.19.30.6; port 80/tcp -> 8080; endpoints shared }
service tenant/07 { vip 198.19.30.7; port 80/tcp -> 8080; endpoints shared }
service tenant/08 { vip 198.19.30.8; port 80/tcp -> 8080; endpoints shared }
service tenant/09 { vip 198.19.30.9; port 80/tcp -> 8080; endpoints shared }
service tenant/10 { vip 198.19.30.10; port 80/tcp -> 8080; endpoints shared }
service tenant/11 { vip 198.19.30.11; port 80/tcp -> 8080; endpoints shared }
service tenant/12 { vip 198.19.30.12; port 80/tcp -> 8080; endpoints shared }
service tenant/13 { vip 198.19.30.13; port 80/tcp -> 8080; endpoints shared }
service tenant/14 { vip 198.19.30.14; port 80/tcp -> 8080; endpoints shared }
service tenant/15 { vip 198.19.30.15; port 80/tcp -> 8080; endpoints shared }
service tenant/16 { vip 198.19.30.16; port 80/tcp -> 8080; endpoints shared }
service tenant/17 { vip 198.19.30.17; port 80/tcp -> 8080; endpoints shared }
service tenant/18 { vip 198.19.30.18; port 80/tcp -> 8080; endpoints shared }
service tenant/19 { vip 198.19.30.19; port 80/tcp -> 8080; endpoints shared }
service tenant/20 { vip 198.19.30.20; port 80/tcp -> 8080; endpoints shared }

cluster {
  nodeports 30000-65510
}

defaults {
  masquerade never
}

service mail-relay {
  vip  203.0.113.10 shared
  port 25/tcp
  endpoints {
    10.0.0.25
  }
}

service tcp-203.0.113.10-80 {
  vip          203.0.113.10 shared
  port tcp-80  80/tcp
  port tcp-443 443/tcp
  scheduler    rr
  endpoints {
    10.0.0.5
    10.0.0.6
    10.0.0.7
  }
}

service WEIGHTED {
  vip  203.0.113.10 203.0.113.11 shared
  port 8000/tcp
  endpoints {
    10.0.0.31   weight 6
    10.0.0.32   weight 3
    10.0.0.33
  }
}

service udp-203.0.113.10-5000-5099 {
  vip  203.0.113.10 shared
  port 5000-5099/udp
  endpoints {
    10.0.0.8
  }
}

service tcp-203.0.113.12-53 {
  vip  203.0.113.12 shared
  port 53/tcp -> 5353
  endpoints {
    10.0.0.53
    10.0.0.54:5354
  }
}

service service-1 {
  vip  198.19.10.0 shared
  port 8080/tcp nodeport 65509
  endpoints {
    100.64.0.19
    100.64.0.9
  }
}

service CUSTOM-SERVICES-2 {
  vip  198.19.20.0 shared
  port 8080/tcp nodeport 65510
  endpoints {
    100.64.0.20
    100.64.0.10
  }
}

service tcp-10.0.0.4-9001 {
  vip  10.0.0.4 shared
  port 9001/tcp
  endpoints {
    172.17.0.3
  }
}

service A {
  vip      2001:db8::10 shared
  port     443/tcp -> 8443
  affinity client-ip 5m
  endpoints {
    fd00::5
    fd00::6
  }
}

# A shop whose servers keep their clients' sessions: a client has one of them for all that it asks the shop for, http
# with https, tcp with udp (HTTP/3), by any address. Of the chat next to it, it may have another one.

cluster {
  prefix CART
  pods   100.64.0.0/24 fd00:64::/64
}

service shop {
  vip         198.19.10.0 fd00:19::10
  external-ip 203.0.113.7
  port http   80/tcp
  port https  443/tcp
  port quic   443/udp
  affinity    client-ip 3h per service
  endpoints {
    100.64.0.9
    100.64.0.19
    fd00:64::9
    fd00:64::19
  }
}

service chat {
  vip      198.19.20.0 fd00:19::20
  port     5222/tcp
  affinity client-ip 10m                # of this port alone
  endpoints {
    100.64.0.9
    100.64.0.19
    fd00:64::9
    fd00:64::19
  }
}

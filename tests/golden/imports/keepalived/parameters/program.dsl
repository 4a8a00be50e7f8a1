service tcp-198.51.100.40-80 {
  vip        198.51.100.40 shared
  port       80/tcp
  scheduler  rr
  masquerade never
  check      tcp timeout 3s fall 2 rise 1
  endpoints {
    10.20.5.1   weight 2
    10.20.5.2
  }
}

service tcp-198.51.100.41-81 {
  vip        198.51.100.41 shared
  port       81/tcp
  scheduler  wrr
  masquerade never
  endpoints {
    10.20.5.3
  }
}

service empty {
  vip        198.51.100.37 shared
  port       80/tcp
  scheduler  rr
  masquerade always
  endpoints { }
}

# The media team: real-time streams on a range of ports, one to one.

service media/relay {
  vip        198.19.30.0
  port sip   5060/udp
  port media 5000-5031/udp
  endpoints { 100.64.1.9; 100.64.1.19; 100.64.1.29 }
}

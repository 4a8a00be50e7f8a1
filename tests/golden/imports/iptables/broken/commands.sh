iptables -t nat -A PREROUTING -d 203.0.113.10/32 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.5

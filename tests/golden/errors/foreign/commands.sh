#!/bin/sh
iptables -t nat -A PREROUTING -d 198.19.0.1 -p tcp --dport 80 -j DNAT --to-destination 100.64.0.9:8080

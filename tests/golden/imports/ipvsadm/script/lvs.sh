# what rc.local calls
ipvsadm --clear
ipvsadm --set 900 120 300
/sbin/ipvsadm -A -t 203.0.113.5:3306                      # the databases
/sbin/ipvsadm -a -t 203.0.113.5:3306 -r 10.30.0.1 -m
/sbin/ipvsadm -a -t 203.0.113.5:3306 -r 10.30.0.2:3307 --masquerading --weight=3
sudo ipvsadm --add-service --tcp-service www.example.com:http --scheduler=rr
sudo ipvsadm --add-server --tcp-service www.example.com:http --real-server 10.30.0.9 --gatewaying
ipvsadm -At 203.0.113.6:80 -s lblcr -p
ipvsadm -at 203.0.113.6:80 -r 10.30.0.3:80 -w2
ipvsadm -at 203.0.113.6:80 -r web4.example.com:80
ipvsadm -A -t 203.0.113.7:80 -s maglev
ipvsadm -a -t 203.0.113.7:80 -r 10.30.0.3:80
ipvsadm -A -t 203.0.113.8:80 -s sh
ipvsadm -A -t 203.0.113.8:81 -s mh -b mh-port
ipvsadm -A -t 203.0.113.8:82 -s mh -b flag-1,flag-2
ipvsadm -A -t 203.0.113.8:83 -s rr -b flag-1
ipvsadm -d -t 203.0.113.6:80 -r 10.30.0.3:80
ipvsadm --start-daemon master --mcast-interface eth1 --syncid 1
ipvsadm -Ln --stats

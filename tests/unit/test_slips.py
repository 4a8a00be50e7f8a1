"""Mistakes of people who come from other tools and files: each has a hint that says what to write."""

from __future__ import annotations

import re

import pytest

from svcc.compiler.codes import Code
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.compiler.syntax_error import STATEMENTS

_SERVICE = "service web {{\n  vip 198.19.0.1\n  port 80/tcp\n  {}\n  endpoints {{ 100.64.0.9 }}\n}}\n"
_PORT = "service web {{\n  vip 198.19.0.1\n  {}\n  endpoints {{ 100.64.0.9 }}\n}}\n"
_ENDPOINT = "service web {{\n  vip 198.19.0.1\n  port 80/tcp\n  endpoints {{\n    {}\n  }}\n}}\n"
_CLUSTER = "cluster {{\n  {}\n}}\n"
_TOP = "{}\nservice web {{ vip 198.19.0.1; port 80/tcp; endpoints {{ 100.64.0.9 }} }}\n"

_WORD = "svcc's word for that is: "
_LINE = ", a line in `endpoints { … }`"
_CHECK = "that is for all endpoints: check tcp every 5s fall 3 rise 2, a line of the service"
_FORWARD = "(it is `masquerade`, `direct` or `tunnel`)"
_MASQUERADE = "(it is `auto`, `always` or `never`)"
_PROTOCOL = "(it is `tcp`, `udp` or `sctp`)"
_EMPTY = "(it is `reject`, `drop` or `draining`)"
_EVERY = "every address is written 0.0.0.0/0, for IPv6 ::/0"
_VRRP = "svcc moves no address between machines: say `external-ip ADDRESS shared`, and leave that to VRRP"
_KUBERNETES = (
    "a service is called by its head and lists its endpoints; Kubernetes' objects: svcc import kubernetes FILE"
)

#: Where something is written, what, and the hint.
SLIPS: list[tuple[str, str, str]] = [
    # endpoints
    (_ENDPOINT, "100.64.0.9:8080 max_fails=3 fail_timeout=30s", _CHECK),
    (_ENDPOINT, "100.64.0.9:8080 inter 2s rise 3", _CHECK),
    (_SERVICE, "backup 100.64.0.8", "the word follows the address, in `endpoints { … }`: 100.64.0.8 backup"),
    (_ENDPOINT, "draining 100.64.0.8:80", "the word follows the address, in `endpoints { … }`: 100.64.0.8:80 draining"),
    (_ENDPOINT, "100.64.0.9 down", "to get nothing new: 100.64.0.9 draining; or leave the line out"),
    (_ENDPOINT, "100.64.0.9:80 disabled", "to get nothing new: 100.64.0.9:80 draining; or leave the line out"),
    (_ENDPOINT, "100.64.0.9 100", "write: 100.64.0.9 weight 100, or a port: 100.64.0.9:100"),
    (_ENDPOINT, "100.64.0.9 port 8080", "the port follows the address: 100.64.0.9:8080"),
    (_ENDPOINT, "address: 100.64.0.9", f"{_WORD}100.64.0.9{_LINE}"),
    (_ENDPOINT, "ip 100.64.0.9", f"{_WORD}100.64.0.9{_LINE}"),
    (_ENDPOINT, "tcp://100.64.0.9:80", "an endpoint is an address, and how it is spoken to is not said: 100.64.0.9:80"),
    (_ENDPOINT, "100.64.0.9:80, 100.64.0.19:80", "one endpoint a line, or `;` between them, and no commas"),
    (_SERVICE, "endpoints 100.64.0.9 100.64.0.19", "endpoints stand in a block: endpoints { 100.64.0.9; 100.64.0.19 }"),
    (
        _SERVICE,
        "endpoints [100.64.0.9, 100.64.0.19]",
        "endpoints stand in a block: endpoints { 100.64.0.9; 100.64.0.19 }",
    ),
    # what begins a statement elsewhere
    (_SERVICE, "option httpchk GET /healthz", f"{_WORD}check http 8080 /healthz every 5s"),
    (_SERVICE, "delay_loop 6", f"{_WORD}check http 8080 /healthz every 5s"),
    (_SERVICE, "retry 3", f"{_WORD}check tcp every 5s fall 3 rise 2"),
    (_SERVICE, "least_conn;", f"{_WORD}scheduler lc"),
    (_SERVICE, "proxy_pass web;", f"{_WORD}endpoints {{ 100.64.0.9; 100.64.0.19 }}"),
    (_SERVICE, "default_backend web", f"{_WORD}endpoints {{ 100.64.0.9; 100.64.0.19 }}"),
    (_SERVICE, "weight 4", f"{_WORD}100.64.0.9:8080 weight 2{_LINE}"),
    (_SERVICE, "deny all", f"{_WORD}allow-from 10.0.0.0/8"),
    (_SERVICE, "endpoint 100.64.0.9", "did you mean `endpoints`?"),
    (_CLUSTER, "podCIDR: 10.0.0.0/8", f"{_WORD}pods 10.0.0.0/8"),
    (_CLUSTER, "cluster-cidr 10.0.0.0/8", f"{_WORD}pods 10.0.0.0/8"),
    (_CLUSTER, "service-node-port-range 1-2", f"{_WORD}nodeports 1-2"),
    (_CLUSTER, "interface eth0", f"{_WORD}vip-device svcc0"),
    (_TOP, "node a { ip 10.0.0.4 }", f"{_WORD}address 10.0.0.4"),
    # what svcc leaves to others
    (_SERVICE, "virtual_router_id 51", _VRRP),
    (_TOP, "vrrp_instance VI_1 { }", _VRRP),
    (_SERVICE, "selector: app=web", _KUBERNETES),
    (_SERVICE, "type: LoadBalancer", _KUBERNETES),
    (
        _SERVICE,
        "timeout connect 5s",
        "how long connections last is the kernel's affair; a check has a time: check tcp timeout 2s",
    ),
    (_SERVICE, "ssl_certificate x", "svcc balances connections, and does not look into them"),
    (_SERVICE, "log global", "svcc logs no connections; `conntrack -E` shows them as they come"),
    # values
    (_SERVICE, "forward DR", f"did you mean `direct`? {_FORWARD}"),
    (_SERVICE, "forward NAT", f"did you mean `masquerade`? {_FORWARD}"),
    (_SERVICE, "masquerade true", f"did you mean `always`? {_MASQUERADE}"),
    (_SERVICE, "masquerade off", f"did you mean `never`? {_MASQUERADE}"),
    (_SERVICE, "announce true", "did you mean `yes`? (it is `yes` or `no`)"),
    (_SERVICE, "affinity source", "did you mean `client-ip`? (it is `client-ip`)"),
    (_SERVICE, "when-empty refuse", f"did you mean `reject`? {_EMPTY}"),
    (_SERVICE, "affinity client-ip 10800", "a time has a unit, s, m, h or d: 10800s"),
    (_SERVICE, "affinity client-ip 3 h", "no blank before the unit: 3h"),
    (_SERVICE, "allow-from any", _EVERY),
    (_SERVICE, "allow-from *", _EVERY),
    (_CLUSTER, "pods all", _EVERY),
    (_PORT, "vip *", "svcc serves addresses that it knows: write them"),
    # checks
    (_SERVICE, "check tcp 80 interval 5s", "the word is `every`: check tcp 80 every 5s"),
    (_SERVICE, "check tcp inter 2s", "the word is `every`: check tcp every 2s"),
    (_SERVICE, "check http 8080 /healthz every 5", "a time has a unit, s, m, h or d: 5s"),
    (_SERVICE, "check http GET /healthz", "a check asks by GET alone: check http /healthz"),
    # ports
    (_PORT, "port 80/tcp 8080", "write: 80/tcp -> 8080"),
    (_PORT, "port 80/tcp to 8080", "write: 80/tcp -> 8080"),
    (_PORT, "port 80/tcp > 8080", "write: 80/tcp -> 8080"),
    (_PORT, "port 80/tcp - 8080", "write: 80/tcp -> 8080"),
    (
        _PORT,
        "port 80/tcp -> 100.64.0.9:8080",
        "addresses stand in `endpoints { … }`, and here the port that they have: -> 8080",
    ),
    (_CLUSTER, "nodeports 30000 - 32767", "a range is written with `-`: 30000-32767"),
    (_PORT, "port 80 - 90/tcp", "a range is written with `-`: 80-90/tcp"),
    (_PORT, "port 80/tcp -> http", "the target is a number: -> 8080"),
    (
        _PORT,
        "port 80/tcp, 443/tcp",
        "one statement for each port, each with a name: port http 80/tcp; port https 443/tcp",
    ),
    (_PORT, "port 80/*", "one statement for each protocol: port 80/tcp"),
    (_PORT, "port */tcp", "a port is a number or a range of numbers: port 1-65535/tcp"),
    (_PORT, "port any", "a port is a number or a range of numbers: port 1-65535/tcp"),
    (_PORT, "port 80..90/tcp", "a range is written with `-`: 80-90/tcp"),
    (_PORT, "port 80/tcp nodePort: 30080", "write: nodeport 30080"),
    (_PORT, "port 443/quic", f"did you mean `udp`? {_PROTOCOL}"),
    (_PORT, "port 443/https", f"did you mean `tcp`? {_PROTOCOL}"),
    (_CLUSTER, "nodeports 30000:32767", "a range is written with `-`: 30000-32767"),
    (_CLUSTER, "mark 0x4000/0x4000", "the mark is its own mask: mark 0x4000"),
    # the top of a file
    (_TOP, "x = [10.0.0.0/8]", "names for addresses are given by `let`: let x = [10.0.0.0/8]"),
    (_TOP, "$x := 10.0.0.0/8", "names for addresses are given by `let`: let x = 10.0.0.0/8"),
    (_TOP, "let x: [10.0.0.0/8]", "a let has a `=`: let x = [10.0.0.0/8]"),
    (_TOP, "let x := [10.0.0.0/8]", "a let has a `=`: let x = [10.0.0.0/8]"),
    (_TOP, "let $x = [10.0.0.0/8]", "the `$` stands where the name is used: let x = [10.0.0.0/8]"),
    (_TOP, "let x = (10.0.0.0/8)", "values stand in square brackets: let x = [10.0.0.0/8]"),
    (_TOP, "endpoints web = [100.64.0.9, 100.64.0.19]", "write: endpoints web { 100.64.0.9; 100.64.0.19 }"),
    (_TOP, "node a 10.0.0.4", "write: node a { address 10.0.0.4 }"),
]


_IPVSADM = "that is a line of ipvsadm: `svcc import ipvsadm FILE` prints a program of such lines"
_IPTABLES = "that is a line of iptables: `svcc import iptables FILE` prints a program of such lines"
_RULES = (
    "svcc writes rules itself: say what is served, "
    "service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.9 } }"
)
_FIREWALL = "svcc opens no ports of a firewall; a service says what it has: port 80/tcp"
_UNIT = "that is for a unit of systemd's, and no part of a program"
_LOOKS = "svcc balances connections, and does not look into them"
_NO_SERVER = "no server stands in between that could be set up so: the kernel passes packets on"

#: The same of people who come from command lines, units and rules.
COMMANDS: list[tuple[str, str, str]] = [
    # ipvsadm
    (_TOP, "ipvsadm -A -t 198.19.0.1:80 -s rr", _IPVSADM),
    (_TOP, "-a -t 198.19.0.1:80 -r 100.64.0.9:8080 -m", _IPVSADM),
    (_TOP, "TCP  198.19.0.1:80 rr", _IPVSADM),
    (_ENDPOINT, "-> 100.64.0.9:80  Masq 1 0 0", _IPVSADM),
    (_ENDPOINT, "-r 100.64.0.9:8080 -m -w 4", "write: 100.64.0.9:8080 weight 4"),
    (_ENDPOINT, "100.64.0.9 -w 4", "write: weight 4"),
    (_ENDPOINT, "100.64.0.9 -x 200", "write: max-connections 200"),
    (_ENDPOINT, "100.64.0.9 -g", "that is for the whole service: forward masquerade, direct or tunnel"),
    (_SERVICE, "-s rr", "write: scheduler rr"),
    (_SERVICE, "scheduler -s rr", "write: scheduler rr"),
    (_SERVICE, "-p 300", "write: affinity client-ip 300s"),
    (_SERVICE, "forward -i", "write: forward tunnel"),
    (_SERVICE, "fwmark 1", "svcc marks packets itself, where that takes a mark"),
    (_SERVICE, "scheduler mh sh-port", "write: scheduler mh by address-port"),
    # rules
    (_TOP, "-A PREROUTING -d 198.19.0.1 -p tcp --dport 80 -j DNAT --to-destination 100.64.0.9", _IPTABLES),
    (_TOP, "sudo ip6tables -t nat -F", _IPTABLES),
    (_SERVICE, "-p tcp --dport 80", "write: port 80/tcp"),
    (_PORT, "port --dport 80", "write: port 80/tcp"),
    (_TOP, "table inet nat { }", _RULES),
    (_TOP, "ip daddr 198.19.0.1 tcp dport 80 dnat to 100.64.0.9:8080", _RULES),
    (_SERVICE, "tcp dport 80", f"{_WORD}port 80/tcp"),
    # firewalld
    (_TOP, "firewall-cmd --add-port=80/tcp", _FIREWALL),
    (_TOP, "--add-port=80/tcp", _FIREWALL),
    (_TOP, 'rule family="ipv4" source address="10.0.0.0/8" accept', _FIREWALL),
    (_SERVICE, "forward-port port=80:proto=tcp:toport=8080", f"{_WORD}port 80/tcp -> 8080"),
    (_PORT, "port port=80 protocol=tcp", "write: port 80/tcp"),
    (_TOP, 'service name="http" { }', "the name stands alone before the `{`: service http { … }"),
    # units
    (_TOP, "[Service]", _UNIT),
    (_TOP, "After=network-online.target", _UNIT),
    (_SERVICE, "ExecStart=/usr/sbin/svcc", _UNIT),
    (_SERVICE, "ListenStream=80", f"{_WORD}port 80/tcp"),
    (_SERVICE, "Description=the shop", "what is said to people stands behind a `#`"),
    (_SERVICE, "SCHEDULER=rr", "without `=`: scheduler rr"),
    # keepalived
    (_SERVICE, "connect_timeout 3", f"{_WORD}check tcp every 5s fall 3 rise 2"),
    (_SERVICE, "MISC_CHECK { }", "a check runs no command: it is `tcp`, `http`, `https`, `dns` or `udp`"),
    (_SERVICE, "inhibit_on_failure", f"{_WORD}when-failed open"),
    (_SERVICE, "persistence_granularity 255.255.255.0", f"{_WORD}affinity client-ip/24 3h"),
    (_SERVICE, "ops", f"{_WORD}one-packet yes"),
    # HAProxy, nginx
    (_ENDPOINT, "web1 100.64.0.9:80", "an endpoint has no name: 100.64.0.9:80"),
    (_ENDPOINT, "100.64.0.9:80 maxconn 100", f"{_WORD}max-connections 100"),
    (_ENDPOINT, "100.64.0.9:80 max_conns=100", f"{_WORD}max-connections 100"),
    (
        _ENDPOINT,
        "100.64.0.9:80 slow_start=30s",
        "it has its share at once; to begin with less of it: weight 1, and more in a later apply",
    ),
    (_ENDPOINT, "100.64.0.9:80 send-proxy", _LOOKS),
    (_SERVICE, "http-request deny", _LOOKS),
    (_SERVICE, "source 203.0.113.8", f"{_WORD}snat 203.0.113.8"),
    (_SERVICE, "hash $remote_addr consistent", f"{_WORD}scheduler mh"),
    (_SERVICE, "scheduler random two", "write: scheduler twos"),
    (_SERVICE, "stats enable", "`svcc status` shows what is served"),
    (_TOP, "stream { }", "services stand at the top of the file, in no other block"),
    (_TOP, "worker_processes 4", _NO_SERVER),
    # Kubernetes
    (_TOP, "---", "a file is one program: YAML's marks have no place in it"),
    (_SERVICE, "replicas: 3", _KUBERNETES),
    (_SERVICE, "trafficDistribution: PreferClose", f"{_WORD}traffic internal prefer-zone"),
    (_SERVICE, "ipFamilies: [IPv4]", "a service is of the families that its addresses have: vip 198.19.0.1 fd00:19::1"),
    (_SERVICE, "addresses: 100.64.0.9", f"{_WORD}endpoints {{ 100.64.0.9; 100.64.0.19 }}"),
    (_ENDPOINT, "100.64.0.9 nodeName: a", f"{_WORD}on node-a"),
    (
        _ENDPOINT,
        "100.64.0.9 zone eu-1a",
        "its zone is that of its node: on node-a, and node node-a { address 10.0.0.5; zone eu-1a }",
    ),
    (_SERVICE, "affinity none", "without the statement there is none (it is `client-ip`)"),
    (_SERVICE, "schedulr: rr", "did you mean `scheduler`?"),
]

#: Values and places that are nearly right, whoever comes.
VALUES: list[tuple[str, str, str]] = [
    (_SERVICE, "allow-from 10.0.0.0/255.0.0.0", "a network is written with the length of its prefix: 10.0.0.0/8"),
    (
        _SERVICE,
        "allow-from 10.0.0.0 255.0.0.0",
        "the length of its prefix is written behind a network: 10.0.0.0/8",
    ),
    (_CLUSTER, "pods 10.0.0.0 0.0.0.255", "the length of its prefix is written behind a network: 10.0.0.0/24"),
    (_SERVICE, "allow-from 10.*", "an address has four numbers: 10.0.0.0/8"),
    (_SERVICE, "allow-from 10/8", "an address has four numbers: 10.0.0.0/8"),
    (_SERVICE, "allow-from !10.0.0.0/8", "it lists who may come, and all others may not: there is no `!`"),
    (_PORT, "vip fe80::1%eth0", "an address has no zone behind it: fe80::1"),
    (_PORT, "vip 198.19.0.2 80/tcp", "the port is a statement of its own: port 80/tcp"),
    (
        _PORT,
        "vip 198.19.0.2 dev eth0",
        "the cluster says which device has the addresses: cluster { vip-device svcc0 }",
    ),
    (_SERVICE, "snat auto", "to the address that the way out has: masquerade always"),
    (_CLUSTER, "vip-device off", "did you mean `none`? (it is `none` or `svcc0`)"),
    (_CLUSTER, "nodeports 30000 32767", "a range is written with `-`: 30000-32767"),
    (_CLUSTER, "nodeport-addresses all", "without the statement, every address of the machine serves them"),
    (_ENDPOINT, "100.64.0.9 weight 50%", "weights are whole numbers that count beside each other: weight 50"),
    (_ENDPOINT, "100.64.0.9 weight -1", "a weight is 0 to 65535"),
    (_ENDPOINT, "100.64.0.9 draining true", "write: 100.64.0.9 draining"),
    (_ENDPOINT, "100.64.0.9 @node-a", "write: on node-a"),
    (_ENDPOINT, "100.64.0.9:8080/tcp", "the protocol is that of the service's port: 100.64.0.9:8080"),
    (_ENDPOINT, "100.64.0.9:http", "a port is a number: 100.64.0.9:80"),
    (
        _ENDPOINT,
        "web-pool",
        "a let is written $web-pool, a pool stands before the `{`, and svcc looks up no host names",
    ),
    (
        _SERVICE,
        "endpoints $pool",
        "a pool is called by its name, endpoints pool; a let stands in a block: endpoints { $pool }",
    ),
    (_SERVICE, "endpoints = web-pool", "without `=`: endpoints web-pool"),
    (
        _PORT,
        "port 80/tcp 443/tcp",
        "one statement for each port, each with a name: port http 80/tcp; port https 443/tcp",
    ),
    (_PORT, "port 80/tcp -> :8080", "write: 80/tcp -> 8080"),
    (_PORT, "port 198.19.0.1:80/tcp", "addresses stand in `vip` and `external-ip`: port 80/tcp"),
    (_PORT, "port :80", "a port names its protocol: 80/tcp"),
    (_PORT, 'port "80/tcp"', "without quotes: 80/tcp"),
    (_PORT, "port 80/tcp nodeport auto", "svcc chooses no numbers: nodeport 30080"),
    (_PORT, "port 80/tcp nodeport 30080/tcp", "the protocol is the port's own: nodeport 30080"),
    (_SERVICE, "check /healthz", "write how it is asked: check http /healthz"),
    (_SERVICE, "check 8080", "write how it is asked: check tcp 8080"),
    (_SERVICE, "check tcp :8080", "write: check tcp 8080"),
    (_SERVICE, "check tcp 5s", "the word is `every`: check tcp every 5s"),
    (_SERVICE, "check every 5s", "write how it is asked: check tcp every 5s"),
    (_SERVICE, "check http 8080/healthz", "write: check http 8080 /healthz"),
    (_SERVICE, "check http port 8080 /healthz", "write: check http 8080 /healthz"),
    (_SERVICE, "check http://web:8080/healthz", "endpoints are asked each: check http 8080 /healthz host web"),
    (_SERVICE, "check http /healthz 200", "the word is `expect`: check http /healthz expect 200"),
    (_SERVICE, "check http /healthz timeout 2 seconds", "no blank before the unit: 2s"),
    (_SERVICE, "affinity client-ip 3hours", "did you mean `h`? (it is `s`, `m`, `h` or `d`)"),
    (_SERVICE, "affinity 10800s client-ip", "write: affinity client-ip 10800s"),
    (
        _TOP,
        "let x = 10.0.0.0/8, 192.168.0.0/16",
        "values stand in square brackets: let x = [10.0.0.0/8, 192.168.0.0/16]",
    ),
    (_TOP, "let x = [80 443]", "a let holds addresses and networks: let office = [10.0.0.0/8]"),
    (_TOP, 'include "a.dsl", "b.dsl"', 'one statement for each file: include "a.dsl"; include "b.dsl"'),
    (_TOP, "svcc 1.0", "write: svcc 1"),
    (_TOP, "service { }", "the name stands before the `{`: service web { … }"),
    (_TOP, "endpoints web { 100.64.0.9 } }", "it ends no block: one `}` too many"),
    (_TOP, "service a { vip 198.19.0.2, port 80/tcp }", "a statement ends with its line or with `;`"),
]


_TARGET = "the command line chooses the target: svcc apply FILE --target ipvs"
_LOOPS = "svcc has no loops and no conditions: another program may print the text, and svcc reads it from `-`"
_TERRAFORM = (
    "svcc reads no Terraform: say what is served, service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.9 } }"
)
_FORWARDS = f"{_WORD}forward masquerade, direct or tunnel"
_AT_HOME = "addresses stand in `endpoints { … }`, and here the port that they have: -> 8080"
_DEVICES = "it lists networks, not devices: nodeport-addresses 10.0.0.0/8"

#: What is in the right place, and has a wrong form; and words of tools that had no hint, or another one's.
FORMS: list[tuple[str, str, str]] = [
    (_PORT, "vip 198.19.0.1:80/tcp", "the port is a statement of its own: port 80/tcp"),
    (_PORT, "vip 198.19.0.1-5", "both ends of a range are addresses: 198.19.0.1-198.19.0.5"),
    (_PORT, "vip 198.19.0.1 - 198.19.0.5", "a range has no blanks in it: 198.19.0.1-198.19.0.5"),
    (_PORT, "vip (198.19.0.1)", "values stand side by side, without brackets: vip 198.19.0.1"),
    (_PORT, "vip dhcp", "svcc serves addresses that it knows: write them"),
    (_SERVICE, "external-ip none", "svcc serves addresses that it knows: write them"),
    (_PORT, "port name http 80/tcp", "the name stands alone: port http 80/tcp"),
    (_PORT, "port 80/tcp name http", "the name comes first: port http 80/tcp"),
    (_PORT, "port 80/tcp -> 100.64.0.9", _AT_HOME),
    (_PORT, "port 80/tcp -> [fd00::9]", _AT_HOME),
    (_PORT, "port 80/tcp-90/tcp", "a range is written with `-`: 80-90/tcp"),
    (_PORT, "port 80 to 90/tcp", "a range is written with `-`: 80-90/tcp"),
    (_PORT, "port 80/tcp nodeport 30080 -> 8080", "the target comes first: 80/tcp -> 8080 nodeport 30080"),
    (_PORT, "port 80/tcp targetPort: 8080", "write: 80/tcp -> 8080"),
    (_PORT, "port 80/tcp target 8080", "write: 80/tcp -> 8080"),
    (_PORT, "port 0x50/tcp", "a port is a whole number: 80/tcp"),
    (_PORT, "port 1e3/tcp", "a port is a whole number: 80/tcp"),
    (_PORT, "port 80/tcp scheduler rr", "`scheduler` is a statement of its own, for all ports of the service"),
    (_SERVICE, "affinity client-ip 3h30m", "a time has one unit: 210m"),
    (_SERVICE, "check tcp every 1m30s", "a time has one unit: 90s"),
    (_SERVICE, "check http /healthz 8080", "the port comes first: check http 8080 /healthz"),
    (_SERVICE, "check http /healthz expect 2xx", "a range is written with `-`: expect 200-299"),
    (_SERVICE, "check http /healthz expect 200,204", "it is one status, or a range: expect 200-204"),
    (_ENDPOINT, "100.64.0.9:80 w 3", "write: 100.64.0.9:80 weight 3"),
    (_ENDPOINT, "100.64.0.9 (3)", "write: 100.64.0.9 weight 3"),
    (_ENDPOINT, "100.64.0.9*3", "write: 100.64.0.9 weight 3"),
    (_ENDPOINT, "100.64.0.9 priority 3", "write: 100.64.0.9 weight 3"),
    (_ENDPOINT, "100.64.0.9 standby", "the word for that is `backup`"),
    (_ENDPOINT, "100.64.0.9 up", "who is listed here serves: leave the word out"),
    (_ENDPOINT, "100.64.0.9-19", "only `vip`, `external-ip` and `snat` take ranges of addresses"),
    (
        _ENDPOINT,
        "100.64.0.9:8080-8090",
        "ranges of ports stand in `port` statements, and here their first port: 100.64.0.9:8080",
    ),
    (_ENDPOINT, "100.64.0.9:*", "its ports are those of the service: 100.64.0.9"),
    (_ENDPOINT, "unix:/run/web.sock", "an endpoint is an address of IPv4 or IPv6"),
    (_ENDPOINT, "* 100.64.0.9", "a list has no `*`: each value stands for itself"),
    (_ENDPOINT, "127.0.0.1:8080", "write the address that it has on its network"),
    (_CLUSTER, "nodeports none", "only a port that says `nodeport` has one: leave the statement out"),
    (_CLUSTER, "nodeports 30000 to 32767", "a range is written with `-`: 30000-32767"),
    (_CLUSTER, "mark auto", "without the statement it is 0x4000"),
    (_CLUSTER, "prefix my lb", "a prefix is one word: prefix SVCC"),
    (_CLUSTER, "nodeport-addresses eth0", _DEVICES),
    (_CLUSTER, "mode: ipvs", _TARGET),
    (_CLUSTER, "target nft", _TARGET),
    (_TOP, "cluster main { }", "the block has no name: cluster { … }"),
    (_TOP, 'provider "aws" { }', _TERRAFORM),
    (_TOP, 'module "web" { }', f'{_WORD}include "lib/*.dsl"'),
    (_TOP, "if production { }", _LOOPS),
    (_TOP, "export CORP=10.0.0.0/8", f"{_WORD}let office = [10.0.0.0/8]"),
    (_TOP, "namespace shop { }", "a name has its namespace in it: service shop/web { … }"),
    (_TOP, "global_defs { }", f"{_WORD}cluster {{ … }}"),
    (_SERVICE, "lb_kind DR", f"{_WORD}forward direct"),
    (_SERVICE, "lb_kind", _FORWARDS),
    (_SERVICE, "lb_policy: ROUND_ROBIN", f"{_WORD}scheduler rr"),
    (_SERVICE, "maintenance", f"{_WORD}100.64.0.9 draining, a line in `endpoints {{ … }}`"),
    (_SERVICE, "shared yes", f"{_WORD}external-ip 203.0.113.7 shared, behind the address"),
    (_SERVICE, "loadBalancerIP: 203.0.113.7", f"{_WORD}external-ip 203.0.113.7"),
]


_ALLOWED = "it lists who may come, and all others may not: there is no `except`"
_SHARES = "weights are whole numbers that count beside each other"
_PER = "without `per`, each address and port remembers clients by itself; `per service`: all of them together"
_FORM = "a port is a number or a range of numbers, with its protocol: 80/tcp, 5000-5099/udp"
_TWO = "one statement for each port, each with a name: port domain-udp 53/udp; port domain-tcp 53/tcp"

#: What keeps the protocol, the numbers and the addresses that were written.
OWN: list[tuple[str, str, str]] = [
    (_PORT, "port udp 53 -> 5353", "write: 53/udp -> 5353"),
    (_PORT, "port UDP 5000-5099 -> 6000", "write: 5000-5099/udp -> 6000"),
    (_PORT, "port 53 -> 5353 sctp", "write: 53/sctp -> 5353"),
    (_PORT, "port 53,54 udp", "one statement for each port, each with a name: port domain 53/udp; port p54 54/udp"),
    (_PORT, "port 53 proto udp", "a port names its protocol: 53/udp"),
    (_PORT, "port dns 53 protocol UDP targetPort 5353", "a port names its protocol: 53/udp"),
    (_PORT, "port dport 53 proto udp", "write: port 53/udp"),
    (_PORT, "port 53/udp 53/tcp", _TWO),
    (_PORT, "port 80 TCP", "write: 80/tcp"),
    (_PORT, "port 80tcp", "write: 80/tcp"),
    (_PORT, "port 80/ tcp", "write: 80/tcp"),
    (_PORT, "port 5000-5099", "a port names its protocol: 5000-5099/tcp"),
    (_PORT, "port rtp-udp 5000-5099", "a port names its protocol: 5000-5099/udp"),
    (_PORT, "port 8o80/tcp", _FORM),
    (_PORT, "port 1_000/tcp", _FORM),
    (_PORT, "port 9p 80/tcp", 'a name that begins with a digit, or has such signs, is quoted: "9p"'),
    (_PORT, "port 80/tcp as web", "the name comes first: port web 80/tcp"),
    (_PORT, "port 80/tcp redirect 8080", "write: 80/tcp -> 8080"),
    (_PORT, "port 80/tcp tls", _LOOKS),
    (_PORT, "port 80/tcp again", "here can stand `->` or `nodeport`"),
    (
        _PORT,
        "port http 80/tcp, https 443/tcp",
        "one statement for each port: port http 80/tcp; port https 443/tcp",
    ),
    (_SERVICE, "udp 53 -> 5353", f"{_WORD}port 53/udp -> 5353"),
    (_SERVICE, "listen 443 ssl", f"{_WORD}port 443/tcp"),
    (_SERVICE, "targetPort: 9376", f"{_WORD}port 80/tcp -> 9376"),
    (_SERVICE, "nodePort: 30081", f"{_WORD}port 80/tcp nodeport 30081"),
    (_SERVICE, "-u 198.19.0.1:53", "write: vip 198.19.0.1, and port 53/udp"),
    (_SERVICE, "lb_algo wlc", f"{_WORD}scheduler wlc"),
    (_SERVICE, "balance leastconn", f"{_WORD}scheduler lc"),
    (_SERVICE, "persistence_timeout 50", f"{_WORD}affinity client-ip 50s"),
    (_SERVICE, "bind [fd00::1]:80", f"{_WORD}vip fd00::1"),
    (_SERVICE, "allow 10.5.0.0/16", f"{_WORD}allow-from 10.5.0.0/16"),
    (_SERVICE, "deny 10.5.0.0/16", f"{_WORD}allow-from 10.0.0.0/8"),
    (_SERVICE, "sorry_server 10.5.0.9 80", f"{_WORD}10.5.0.9:80 backup{_LINE}"),
    (_ENDPOINT, "real_server 10.5.0.1 80", f"{_WORD}10.5.0.1:80{_LINE}"),
    (_ENDPOINT, "server [fd00::9]:80 weight 5", f"{_WORD}[fd00::9]:80 weight 5{_LINE}"),
    (
        _TOP,
        "virtual=192.168.6.2:80",
        f"{_WORD}service web {{ vip 192.168.6.2; port 80/tcp; endpoints {{ 100.64.0.9 }} }}",
    ),
    (_ENDPOINT, "100.64.0.9 weight 0.25", f"{_SHARES}: for 0.25 and 0.5 write 1 and 2"),
    (_ENDPOINT, "100.64.0.9 weight 2.0", f"{_SHARES}: weight 2"),
    (_ENDPOINT, "[fd00::1]8080", "write: [fd00::1]:8080"),
    (_ENDPOINT, "[fd00::1]:", "write: fd00::1, or with a port: [fd00::1]:8080"),
    (_ENDPOINT, "[fd00::1%eth0]:80", "an address has no zone behind it: [fd00::1]:80"),
    (_SERVICE, 'endpoints = ["100.64.0.9"]', "endpoints stand in a block: endpoints { 100.64.0.9 }"),
    (_SERVICE, "affinity client-ip 3h per port", _PER),
    (_SERVICE, "affinity client-ip 3h, per service", "write: affinity client-ip 3h per service"),
    (_SERVICE, "affinity client-ip 3h persistent", "write: affinity client-ip 3h"),
    (_SERVICE, "affinity client-ip timeout=3h", "write: affinity client-ip 3h"),
    (_SERVICE, "affinity 50", "write whose, and a unit: affinity client-ip 50s"),
    (_SERVICE, "scheduler rr,wrr", "a service has one scheduler: scheduler rr"),
    (_SERVICE, "scheduler sh by address port", "write: scheduler sh by address-port"),
    (_SERVICE, "check https://shop.example/a", "endpoints are asked each: check https /a host shop.example"),
    (_SERVICE, "check https://9to5.example", 'endpoints are asked each: check https host "9to5.example"'),
    (_SERVICE, "check https://10.0.0.1:8443/a", "endpoints are asked each: check https 8443 /a"),
    (_SERVICE, "check tcp://db:5432", "endpoints are asked each: check tcp 5432"),
    (_SERVICE, "check http 10.0.0.1:80", "endpoints are asked each: check http 80"),
    (_SERVICE, "check http://a/b host c", "endpoints are asked each: check http /b host c"),
    (_SERVICE, "check http https://a/b", "a check has a kind, a port and a path, each by itself, and no URL"),
    (_SERVICE, "check http:8080/healthz", "write: check http 8080 /healthz"),
    (_SERVICE, "check tcp:8080", "write: check tcp 8080"),
    (_SERVICE, "check 53/udp", "write: check udp 53"),
    (_SERVICE, "check 53 udp", "how it is asked comes first: check udp 53"),
    (_SERVICE, "check timeout 2s", "write how it is asked: check tcp timeout 2s"),
    (_SERVICE, "check tcp 80 90", "a check asks one port"),
    (_SERVICE, "check http $port", "a let holds addresses and networks, and no port or path"),
    (_SERVICE, "check http / every 500 ms", "no blank before the unit: 500ms"),
    (
        _SERVICE,
        "check http 9to5.example",
        'a path begins with `/`, and a host has its word: check http host "9to5.example"',
    ),
    (
        _SERVICE,
        "masquerade 10.0.0.0/8 always",
        "it is one of both: masquerade 10.0.0.0/8, or masquerade always",
    ),
    (_SERVICE, "masquerade auto, never", "it is one of both: masquerade auto, or masquerade never"),
    (
        _SERVICE,
        "masquerade never 10.0.0.0/8 fd00::/8",
        "it is one of both: masquerade never, or masquerade 10.0.0.0/8 fd00::/8",
    ),
    (
        _SERVICE,
        "masquerade 10.0.0.0/8 except 10.1.0.0/16",
        "it lists the sources that are rewritten: there is no `except`",
    ),
    (_SERVICE, "snat 203.0.113.8 always", "which sources are rewritten is said by another: masquerade always"),
    (_SERVICE, "allow-from 10.0.0.0/8 any", _EVERY),
    (
        _SERVICE,
        "traffic external",
        "`traffic external` is `cluster`, `local`, `prefer-local` or `prefer-zone`",
    ),
    (_SERVICE, "scheduler sh by", "`scheduler sh by` is `address` or `address-port`"),
    (_SERVICE, "check tcp every 0.5s", "a time is a whole number: 500ms"),
    (_SERVICE, "check tcp every 5s, timeout 2s", "without commas: check tcp every 5s timeout 2s"),
    (_SERVICE, "check http / host shop.example:8080", 'such a host is quoted: host "shop.example:8080"'),
    (_SERVICE, "check http / host", "write: host shop.example"),
    (_SERVICE, "check dns 1.example.com", 'such a name is quoted: check dns "1.example.com"'),
    (_SERVICE, "check http :8080/healthz", "write: check http 8080 /healthz"),
    (_SERVICE, "check http / expect ok", "a status is a number: expect 200, or expect 200-399"),
    (_SERVICE, "check http / expect 2**", "a range is written with `-`: expect 200-299"),
    (_SERVICE, "allow-from 10.0.0.0/8 except 10.1.0.0/16", _ALLOWED),
    (_PORT, "vip shared 198.19.0.1", "the word follows the address: vip 198.19.0.1 shared"),
    (_TOP, "node b: 10.0.0.5", "write: node b { address 10.0.0.5 }"),
    (_TOP, "service a, b { }", "one block for each: service a { … }, and service b { … }"),
    (
        _TOP,
        "let a, b = [10.0.0.0/8]",
        "one statement for each name: let a = [10.0.0.0/8]; let b = [192.168.0.0/16]",
    ),
]


ALL = [*SLIPS, *COMMANDS, *VALUES, *FORMS, *OWN]


@pytest.mark.parametrize(
    ("where", "written", "hint"),
    ALL,
    ids=[written for _, written, _ in ALL],
)
def test_the_hint_says_what_to_write(where: str, written: str, hint: str) -> None:
    text = where.format(written)
    first = load_text(Source("a.dsl", text)).diagnostics[0]
    assert first.hint == hint
    assert first.span is not None
    at = text.index(written)
    assert at <= first.span.start < first.span.end <= at + len(written) + 1, "the caret is under the slip"


@pytest.mark.parametrize("written", ["vip = 198.19.0.1", "scheduler = rr", "external-ip=203.0.113.7"])
def test_a_keyword_with_an_equals_sign_is_no_let(written: str) -> None:
    found = load_text(Source("a.dsl", _SERVICE.format(written))).diagnostics
    assert (found[0].hint or "").startswith("without `=`: ")


def test_beyond_a_number_errors_are_no_more_counted() -> None:
    found = load_text(Source("a.dsl", "wrong\n" * 300)).diagnostics
    assert len(found) == 26
    assert found[-1].message == "at least 225 more syntax errors from here on"


@pytest.mark.parametrize("protocol", ["udp", "sctp"])
@pytest.mark.parametrize(
    "written",
    [
        "port {} 53 -> 5353",
        "port {}/53",
        "port {} 53",
        "port 53 {}",
        "port 53:5353/{}",
        "port 53 -> 5353 {}",
        "port 53,54/{}",
        "port 53 protocol {}",
        "port 53 proto={}",
        "port :53 {}",
        "port domain/{}",
        "port dns-{} 53",
        "port --dport 53 -p {}",
        "port any {}",
        "port 53/{} 5353",
        "port 53/{}-54/{}",
        "port 50..60/{}",
        "port 53{}",
        "port 53/ {}",
        "{} 53",
        "{} dport 53",
        "{} 53 -> 5353",
        "-p {} --dport 53",
        "protocol {}",
    ],
)
def test_a_hint_keeps_the_protocol_that_is_written(written: str, protocol: str) -> None:
    for said in (protocol, protocol.upper()):
        text = written.replace("{}", said)
        hint = load_text(Source("a.dsl", _PORT.format(text))).diagnostics[0].hint or ""
        assert [word.lower() for word in re.findall(r"/(tcp|udp|sctp)", hint)] in ([protocol], [protocol] * 2), hint


def _proposed(hint: str) -> str | None:
    """The program in which a statement stands that a hint proposes; None where it proposes no whole statement."""
    statement = re.split(r"[,;] (?:or|a|behind|and|direct|the)\b", hint.rpartition(": ")[2])[0]
    if ": " not in hint or "…" in statement or "svcc " in statement:
        return None
    word = statement.split()[0]
    if re.match(r"[\d\[].*[.:]", statement) and "-" not in statement and "/" not in statement:
        return _ENDPOINT.format(statement)
    if word in STATEMENTS["cluster"]:
        return _CLUSTER.format(statement) + _TOP.format("")
    if word in STATEMENTS["service"]:
        rest = [one for one in ("vip 198.19.0.1", "port 80/tcp", "endpoints { 100.64.0.9 }") if one.split()[0] != word]
        return f"service web {{ {'; '.join([statement, *rest])} }}\nendpoints web-pool {{ 100.64.0.9 }}"
    return None


def test_what_a_hint_proposes_is_valid() -> None:
    """Whatever statement a hint proposes, it has no syntax error and no wrong value where it belongs."""
    proposed = {hint: program for _, _, hint in ALL if (program := _proposed(hint)) is not None}
    assert len(proposed) > 100
    wrong = (Code.SYNTAX, Code.UNKNOWN_STATEMENT, Code.VALUE, Code.UNCLOSED, Code.PORT_NAME)
    for hint, program in proposed.items():
        found = load_text(Source("a.dsl", program)).diagnostics
        assert [one.message for one in found if one.code in wrong] == [], f"{hint}\n{program}"

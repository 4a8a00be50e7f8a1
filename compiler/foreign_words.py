"""Words that begin statements of other tools, and the statements of svcc's language that mean the same."""

from __future__ import annotations

import re

from svcc.compiler.own_values import with_values

#: The beginning of a hint that names svcc's statement.
WORD_IS = "svcc's word for that is:"

_SERVICE = "service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.9 } }"
_ENDPOINT = "100.64.0.9:8080 weight 2, a line in `endpoints { … }`"
_CHECK = "check tcp every 5s fall 3 rise 2"
_BALANCES = "svcc balances connections, and does not look into them"
_KUBERNETES = (
    "a service is called by its head and lists its endpoints; Kubernetes' objects: svcc import kubernetes FILE"
)
_MAX_CONNECTIONS = "max-connections 200"

#: Words that begin a statement in other tools (keepalived, HAProxy, nginx, Kubernetes, Docker, Terraform, nftables), in
#: lower case and without `_`, `-` and `:`; the block in which svcc has a statement for it ("" is the file); and that
#: statement.
_WORDS: tuple[tuple[str, str, str], ...] = (
    ("listen listeners frontend virtual virtualserver virtualservergroup vserver svc app", "", _SERVICE),
    ("resource kind metadata spec apiversion", "", _SERVICE),
    ("backend upstream pool backends upstreams servers", "", "endpoints web { 100.64.0.9; 100.64.0.19 }"),
    ("define def var variable const set export locals", "", "let office = [10.0.0.0/8]"),
    ("import source require module", "", 'include "lib/*.dsl"'),
    ("host hosts machine", "", "node node-a { address 10.0.0.4 }"),
    ("version", "", "svcc 1"),
    ("global globaldefs settings config", "", "cluster { … }"),
    ("registered", "endpoints", "registered 100.64.0.0/24, a line in a pool"),
    ("server real realserver backend upstream target member peer host address addr ip", "endpoints", _ENDPOINT),
    ("ip ips addr addresses host hostname", "node", "address 10.0.0.4"),
    ("podcidr podcidrs clustercidr cidr podnetwork podnetworks", "cluster", "pods 100.64.0.0/24"),
    ("servicenodeportrange nodeportrange portrange", "cluster", "nodeports 30000-32767"),
    ("interface device dummy dev", "cluster", "vip-device svcc0"),
    (
        "healthcheck readinessprobe livenessprobe httpcheck httpget sslget option delayloop inter interval monitoruri",
        "service",
        "check http 8080 /healthz every 5s",
    ),
    ("shared", "service", "external-ip 203.0.113.7 shared, behind the address"),
    ("drain maintenance maint", "service", "100.64.0.9 draining, a line in `endpoints { … }`"),
    ("retry retries maxfails failtimeout rise fall", "service", _CHECK),
    ("tcpcheck defaultserver nbgetretry delaybeforeretry connecttimeout", "service", _CHECK),
    ("dnscheck", "service", "check dns every 5s"),
    ("quorum alpha omega inhibitonfailure", "service", "when-failed open"),
    ("leastconn", "service", "scheduler lc"),
    ("random", "service", "scheduler random"),
    ("hash hashtype consistenthash", "service", "scheduler mh"),
    ("ops", "service", "one-packet yes"),
    ("maxconn fullconn maxconns maxconnections", "service", f"{_MAX_CONNECTIONS}, behind an endpoint's address"),
    ("proxypass defaultbackend usebackend", "service", "endpoints { 100.64.0.9; 100.64.0.19 }"),
    ("weight", "service", _ENDPOINT),
    ("sorryserver", "service", "100.64.0.99 backup, a line in `endpoints { … }`"),
    (
        "pool pools backend backends upstream upstreams servers members targets addresses subsets notreadyaddresses",
        "service",
        "endpoints { 100.64.0.9; 100.64.0.19 }",
    ),
    (
        "clusterip clusterips virtualipaddress virtualip virtualaddress bind address ip",
        "service",
        "vip 198.19.0.1",
    ),
    ("externalips externalip publicip loadbalancerip", "service", "external-ip 203.0.113.7"),
    ("ports listen expose publish published", "service", "port http 80/tcp -> 8080"),
    ("targetport containerport forwardport", "service", "port 80/tcp -> 8080"),
    ("tcp udp sctp dport listenstream listendatagram", "service", "port 80/tcp"),
    ("nodeport", "service", "port 80/tcp nodeport 30080"),
    ("protocol mode", "service", "port 80/tcp, the protocol behind the port"),
    ("lbalgo lbpolicy lvssched balance algorithm lbmethod loadbalance", "service", "scheduler wrr"),
    ("lbkind lvsmethod", "service", "forward masquerade, direct or tunnel"),
    ("persistencetimeout sticky stick sticktable iphash persistent", "service", "affinity client-ip 3h"),
    ("sessionaffinity sessionaffinityconfig timeoutseconds", "service", "affinity client-ip 3h"),
    ("persistencegranularity", "service", "affinity client-ip/24 3h"),
    ("externaltrafficpolicy", "service", "traffic external local"),
    ("internaltrafficpolicy", "service", "traffic internal local"),
    ("trafficdistribution topologykeys", "service", "traffic internal prefer-zone"),
    ("allow acl whitelist loadbalancersourceranges deny blacklist tcprequest", "service", "allow-from 10.0.0.0/8"),
    ("masq nat", "service", "masquerade always"),
    ("source sourceaddr sourceaddress tosource", "service", "snat 203.0.113.8"),
)

#: Words whose values are not to be let in.
_REFUSING = ("deny", "blacklist", "tcprequest", "acl")

#: Words for what svcc leaves to others; the block in which they are found (None: anywhere); and what the message says.
_LEFT: tuple[tuple[str, str | None, str], ...] = (
    (
        "vrrpinstance vrrpscript virtualrouterid advertint priority interface authentication notify vrrpsyncgroup",
        None,
        "svcc moves no address between machines: say `external-ip ADDRESS shared`, and leave that to VRRP",
    ),
    (
        "timeout proxytimeout proxyconnecttimeout keepalive",
        None,
        "how long connections last is the kernel's affair; a check has a time: check tcp timeout 2s",
    ),
    ("labels selector namespace annotations type name replicas", "service", _KUBERNETES),
    (
        "healthchecknodeport loadbalancerclass externalname publishnotreadyaddresses",
        "service",
        _KUBERNETES,
    ),
    ("location servername ssl sslcertificate tls proxysetheader proxyprotocol", None, _BALANCES),
    ("cookie redirect httprequest httpresponse virtualhost hosts", "service", _BALANCES),
    ("fwmark", "service", "svcc marks packets itself, where that takes a mark"),
    (
        "workerprocesses user daemon nbproc nbthread chroot pidfile resolver",
        "",
        "no server stands in between that could be set up so: the kernel passes packets on",
    ),
    ("log accesslog errorlog", None, "svcc logs no connections; `conntrack -E` shows them as they come"),
    ("stats", None, "`svcc status` shows what is served"),
    ("description comment", None, "what is said to people stands behind a `#`"),
    (
        "ipfamily ipfamilies ipfamilypolicy",
        "service",
        "a service is of the families that its addresses have: vip 198.19.0.1 fd00:19::1",
    ),
    (
        "enabled enable disabled disable",
        "service",
        "what is in the file is served: leave the service out, or put a `#` before each of its lines",
    ),
    ("misccheck externalcheck", "service", "a check runs no command: it is `tcp`, `http`, `https`, `dns` or `udp`"),
    (
        "execstart after before requires wants wantedby restart",
        None,
        "that is for a unit of systemd's, and no part of a program",
    ),
    ("provider terraform output data", "", f"svcc reads no Terraform: say what is served, {_SERVICE}"),
    (
        "for foreach each if when count withitems loop",
        "",
        "svcc has no loops and no conditions: another program may print the text, and svcc reads it from `-`",
    ),
    ("namespace", "", "a name has its namespace in it: service shop/web { … }"),
    (
        "mode proxymode target driver",
        "cluster",
        "the command line chooses the target: svcc apply FILE --target ipvs",
    ),
    ("http stream events", "", "services stand at the top of the file, in no other block"),
)

#: Words that stand behind an address or a port in tools that look into connections.
OF_PROXIES = "sendproxy sendproxyv2 acceptproxy cookie ssl tls https http2 h2 verify sni"

#: Words that stand behind an endpoint's address in other tools, and what to write instead.
_OPTIONS: tuple[tuple[str, str], ...] = (
    ("maxconn maxconns maxconnections connlimit", f"{WORD_IS} {_MAX_CONNECTIONS}"),
    ("standby", "the word for that is `backup`"),
    ("up enabled enable", "who is listed here serves: leave the word out"),
    ("tag tags label name comment", "what is said to people stands behind a `#`"),
    ("limit", f"{WORD_IS} {_MAX_CONNECTIONS}"),
    ("node nodename host at", f"{WORD_IS} on node-a"),
    ("zone", "its zone is that of its node: on node-a, and node node-a { address 10.0.0.5; zone eu-1a }"),
    ("slowstart", "it has its share at once; to begin with less of it: weight 1, and more in a later apply"),
    (OF_PROXIES, _BALANCES),
)


def foreign_word(word: str, block: str, statement: str = "") -> str | None:
    """Return svcc's statement for a word that begins a statement in other tools, with the values of that statement.

    Return None for an unknown word.
    """
    plain = _plain(word)
    entries = [(where, form) for words, where, form in _WORDS if plain in words.split()]
    left = next((said for words, where, said in _LEFT if where in (None, block) and plain in words.split()), None)
    if not entries or (left and block not in (where for where, _ in entries)):
        return left
    where, form = next((e for e in entries if e[0] == block), entries[0])
    if plain not in _REFUSING:
        form = with_values(form, statement)
    place = "" if where in (block, "endpoints") else f" in a `{where}`" if where else " at the top of a file"
    return f"{WORD_IS} {form}" if not place else f"svcc's word for that{place} is: {form}"


def foreign_option(word: str, statement: str = "") -> str | None:
    """Return svcc's option for a word that stands behind an endpoint's address in other tools.

    Return None for an unknown word.
    """
    plain = _plain(word)
    said = next((said for words, said in _OPTIONS if plain in words.split()), None)
    number = re.search(rf"{re.escape(word)}[\s=:]+(\d+)", statement)
    return said and (said.replace(_MAX_CONNECTIONS, f"max-connections {number[1]}") if number else said)


def _plain(word: str) -> str:
    return re.sub(r"[_:-]", "", word.lower())

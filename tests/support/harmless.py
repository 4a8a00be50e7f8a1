"""Changes to artifacts that change nothing for any packet, with the reasons. Only these may survive in the mutation
test."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from support.mutants import Mutant

_X = "ip6?tables"
_NODE_ITSELF = r".*-SERVICES -m set --match-set \S+-CLUSTER-IP dst,dst -m set --match-set \S+-CLUSTER-IP src,dst "


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of mutants of a part: regular expressions, each of which has to be found anywhere in what its name
    says.

    ``absent`` must not be found in the part; {1}, {2} in it stand for the groups of ``line``.
    """

    part: str
    change: str
    line: str
    absent: str | None = None
    focus: str = ""  # has to be found in the changed piece of the line


#: By reason, the mutants for which it is true.
REASONS: Mapping[str, tuple[Pattern, ...]] = {
    # ---- words for people, room, counters
    "a comment": (
        Pattern(_X, "^without -m comment", ""),
        Pattern("nft", "^without comment$", '"comment"'),
    ),
    "a counter of packets begins elsewhere": (Pattern(_X, r"^\[0:0\] -> ", "^:"),),
    "room for more elements": (
        Pattern("ipset", r"^1024 -> 1025$|^65536 -> 65537$", "^create .* hashsize 1024 maxelem 65536"),
        Pattern("ipset", r"^(\d+-\d+) -> ", r"^create \S+ bitmap:port range"),
        Pattern("nft", "^without size$|^1048576 -> 1048577$", '"size": 1048576'),
    ),
    # ---- the same, said otherwise
    "it is what the tool does without it": (
        Pattern("nft", "^without policy$", '"policy": "accept"'),
        Pattern(_X, "^without the target's options$", "-j REJECT --reject-with icmp6?-port-unreachable$"),
    ),
    "nft itself asks for TCP before it resets (stmt_evaluate_reset)": (
        Pattern("nft", "^without .*l4proto.*tcp", '"reject": {"type": "tcp reset"}'),
    ),
    "a field that the instruction does not use, or another number that is not 0": (
        Pattern(_X, r'^"\d+,.*" -> "\d+,', "--bytecode"),
    ),
    "the set's elements name the protocol too": (
        Pattern(_X, "^without -p sctp$", r"-NODEPORTS -p sctp -m set --match-set \S+-NODE-PORT-SCTP dst,dst "),
    ),
    "ipset cuts what is behind a network's prefix": (
        Pattern("ipset", r"^(\S*?)(\d+\.\d+\.\d+)\.0/(\d+) -> \1\2\.1/\3$", "^add "),
    ),
    "another half of the clients, as large": (
        Pattern(
            _X,
            "^0x00000001 -> 0x2$|^negated -m cluster",
            "--cluster-local-nodemask 0x00000001 --cluster-total-nodes 2 ",
        ),
    ),
    "another seed parts the clients otherwise, into as large parts": (
        Pattern(_X, r"^0x0000000\d -> 0x\d$", "--cluster-hash-seed 0x0000000[0-9] -j", "--cluster-total-nodes (?!2 )"),
        Pattern("nft", r"^\d{9,10} -> \d{9,10}$", '"jhash": {"mod": 2, "seed": '),
    ),
    # ---- what takes effect elsewhere, or with time
    "modules are loaded when they are needed, and those of schedulers load ip_vs": (
        Pattern("modules", "^removed$", ""),
    ),
    "an address is local whether its device is up or not (fib_add_ifaddr)": (
        Pattern("ip", "^removed$", r"^link set \S+ up$"),
    ),
    "whose the device is, no packet asks": (Pattern("ip", "", r"^link set \S+ alias "),),
    "about connections and clients of servers that are removed or drained later": (
        Pattern("sysctl", "^removed$|^1 -> 0$", r"vs\.expire_(nodest_conn|quiescent_template) = 1$"),
    ),
    "an endpoint that reaches itself has one address on both sides": (
        Pattern("nft", "^daddr -> saddr$", r'"right": "@hairpin".*"fib"'),
    ),
    "random source ports only keep racing connections apart": (
        Pattern(_X, "^without the target's options$", "-j MASQUERADE --random-fully$"),
        Pattern("nft", "^without flags$", '"snat": .*"flags": "fully-random"'),
    ),
    "it begins with another of its turns": (Pattern(_X, "^0 -> 1$", r"--mode nth --every \d+ --packet 0"),),
    "these schedulers ask of a weight only whether it is 0": (
        Pattern("ipvsadm", r"^1 -> 2$", r"^-a (-\S+ \S+) .* -w 1\b", "-A {1} -s (?!(rr|lc|dh)\\b)"),
    ),
    "the only server has every connection": (
        Pattern("ipvsadm", r"^1 -> 2$", r"^-a (-\S+ \S+) -r (\S+) .*-w 1\b", "-a {1} -r (?!{2} )"),
    ),
    "with equal weights rr and wrr are one": (
        Pattern("ipvsadm", "^(rr -> wrr|wrr -> rr)$", r"^-A (-\S+ \S+)(?: -6)? -s w?rr", "-a {1} .* -w (?!1\\b)"),
    ),
    "ipvsadm takes the service's port where no address is translated (ipvsadm(8))": (
        Pattern("ipvsadm", r":(\d+) -> \S+:(?!\1)\d+$", r"^-a \S+ \S+ -r \S+ -[gi] "),
    ),
    "about who answers for a vip on the network, which no packet here asks": (
        Pattern("sysctl", r"^removed$|^\d -> \d$", r"conf\.all\.(arp_(ignore|announce)|proxy_ndp) = "),
    ),
    "about segments that connection tracking calls INVALID, which no packet here is": (
        Pattern(_X, "", r"-A \S+-INVALID |-j \S+-INVALID$"),
        Pattern("ipset", "", r"^(create|add) \S+-DIRECT "),
    ),
    "nobody else's translation leads to an address of ours here": (
        Pattern(
            _X,
            "^without -m conntrack ! --ctstate DNAT$|^DNAT -> SNAT$",
            r"^-I (INPUT|FORWARD|OUTPUT) .* -j \S+-(FILTER|GUARD|MARK|NOBODY)$",
        ),
    ),
    "all rules of the chain lead to the same": (Pattern("nft", "^swapped$", '"chain": "unserved"'),),
    "what nobody serves at the address is rejected with all of its network": (
        Pattern(_X, r"^removed$|^without target$|^\S+ -> \S+$", r"-UNSERVED -d 198\.19\.\d+\.\d+/32 -g SHOP-REJECT$"),
        Pattern(_X, r"^removed$|^without target$|^\S+ -> \S+$", r"-UNSERVED -d fd00:19::\S+/128 -g SHOP-REJECT$"),
        Pattern(
            _X,
            "^removed$|^without target$|^fd00:19::21/128 -> ",
            r"-UNSERVED -d (10\.0\.0\.12/32|fd00:19::21/128) -g MUTANT-REJECT$",
        ),
        Pattern("nft", r"^without \"(10\.0\.0\.12|fd00:19::21)\"$|^fd00:19::21 -> fd00:19::22$", '"name": "addresses"'),
    ),
    "every client of the service is masqueraded, endpoints among them": (
        Pattern("ipset", "", r"^add MUTANT-LOOP-BACK 100\.64\.0\.\d+,tcp:8007,"),
    ),
    "the endpoint drains: of it there is no new connection, only segments that connection tracking calls INVALID": (
        Pattern("ipset", "", r"^add DNS-LOOP-BACK 100\.64\.0\.55,"),
        Pattern("ipset", "", r"^add MUTANT-LOOP-BACK 100\.64\.0\.29,"),
    ),
    # ---- nothing comes back
    "no packet comes back from the chain": (
        Pattern(_X, "^-g -> -j$", r"-g \S+-(SVC|EXT|SRC)-\S+$"),
        Pattern(_X, "^-g -> -j$", r"-g \S+-REJECT$"),
        Pattern(_X, "^-j -> -g$", r"-(FILTER|NOBODY) .* -j \S+-REJECT$"),
    ),
    "nothing follows that would be for what comes back": (
        Pattern(_X, "^-g -> -j$", r"-(SERVICES|UNSERVED) .* --dst-type LOCAL -g \S+-NODEPORTS$"),
        Pattern(_X, "^-j -> -g$", r"-SERVICES .*-NODE-IP dst -j \S+-NODEPORTS$"),
        Pattern(_X, "^-j -> -g$", r"-POSTROUTING .* -j \S+-MASQUERADE$"),
    ),
    "a bit that is not set is cleared, and stays as it is": (
        Pattern(
            "nft",
            '^without {"match": .*"mark"',
            r'"chain": "nat-input".*"value": {"&": \[{"meta": {"key": "mark"}}, 42',
        ),
    ),
    "the port stays the one that the client asked for": (
        Pattern(
            "nft",
            "^without port$",
            r'"chain": "to-\d+-(\d+)"',
            r'", (?!{1}\])\d+\]}[^[\n]*"target": "(?!nodeport-)[^"]*-{1}"',
        ),
    ),
    "the node has no address in the half that is left out": (
        Pattern("nft", r"^(10\.0\.0\.0/24|fd00:10::/64) -> half of it$", '"name": "nodeport-addresses"'),
    ),
    "the chains of two ports of a service do the same where no port is moved": (
        Pattern(_X, r"^\S+-SVC-(\S+)-\w+ -> \S+-SVC-\1-\w+$", "-g", r"-SVC-media/relay-\S+ .*--to-destination \S+:\d"),
        Pattern(_X, r"^\S+-EXT-shop-\w+ -> \S+-EXT-shop-\w+$", "-g", r"-SVC-shop-\S+ .*--to-destination \S+:\d"),
        Pattern("nft", r"^(\S*service-affinity-\w+-spread-shop)-https -> \1-quic$", '"name": "services"'),
    ),
    "a vip is no pod: the rule for clients from elsewhere marks the node's own packets too": (
        Pattern(_X, "^(removed|target (ACCEPT|RETURN)|without target)$", _NODE_ITSELF, "KEEP-SOURCE"),
        Pattern(_X, r"^(\S+)-SERVICES -> \1-POSTROUTING$", _NODE_ITSELF, "KEEP-SOURCE"),
        Pattern(_X, "^swapped$", rf"{_NODE_ITSELF}.*\n.* -j ACCEPT$", "KEEP-SOURCE"),
    ),
    "an address that serves node ports here is no loopback one": (
        Pattern("nft", r"^without .*(127\.0\.0\.0|::1)|^(127\.0\.0\.0/8|::1/128) -> ", '"!=".*"@nodeport-addresses"'),
    ),
    "an empty service is refused as a port is that nobody declares": (
        Pattern("nft", "^goto -> (return|accept)$", '"name": "services"', focus='"goto": {"target": "empty"}'),
        Pattern("nft", r'^without \[.*"empty"', '"name": "services"', focus='"goto": {"target": "empty"}'),
        Pattern(
            "nft",
            r"^(198\.19\.20\.1 -> 198\.19\.20\.2|tcp -> udp|80 -> 81)$",
            '"name": "services"',
            focus=r'^\[\{[^\[]*\[[^\[]*"target": "empty"\}\}\] \[\{[^\[]*\[[^\[]*"target": "empty"\}\}\]$',
        ),
    ),
    "no vip is an address that serves node ports here": (
        Pattern("nft", '^without .*"@addresses"', '"chain": "dispatch".*"@addresses".*"@nodeport-addresses"'),
        Pattern("nft", "^daddr -> saddr$", '"chain": "dispatch".*"@addresses".*"@nodeport-addresses"'),
    ),
    "the map of services is asked first, and has no such port": (
        Pattern("nft", r"^(30102|6002|50[03][19]) -> \d+[023]$", r'"name": "(nodeport-)?udp-range-endpoint-\d"'),
        Pattern("nft", "^5002 -> 5003$", r'"name": "tcp-range-endpoint-\d"'),
        Pattern(
            "nft", r"^(60|301)11 -> |^(60|301)13 -> ", r'"name": "(nodeport-)?(udp|tcp)-range-(endpoint-\d|sources)"'
        ),
    ),
    "no map of endpoints has that port: nothing is translated, and the vip refuses it": (
        Pattern("nft", "^5031 -> 5032$|^5009 -> 5010$", '"name": "udp-range-services"'),
    ),
    "the chain that it leads to leaves out what stays on the node": (
        Pattern(_X, "^without ! -o lo$", r"-POSTROUTING ! -o lo .*-j MUTANT-MASQUERADE$"),
    ),
    "what is left to the next rules is masqueraded all the same": (
        Pattern(_X, "^(target RETURN|without target)$", r"^-A MUTANT-SNAT .* -j MASQUERADE --random-fully$"),
    ),
    "nobody serves the port by another protocol, and what nobody serves is not rewritten": (
        Pattern(_X, r"^without -p \w+$", r"^-A MUTANT-SNAT .* --ctorigdst 198\.19\.0\.11 "),
    ),
    "clients are masqueraded of what has this node port by the other protocol, too": (
        Pattern(_X, r"^without -p \w+$", '^-A MUTANT-NODEPORTS .*"masquerade clients of node ports" -j MARK'),
    ),
    "no connection to a loopback address is translated": (
        Pattern("nft", r"^without .*127\.0\.0\.0|^127\.0\.0\.0/8 -> ", '"chain": "rewrite"'),
    ),
    "what has no ports is in no map of them": (
        Pattern("nft", r'^without .*"l4proto".*"sctp"', '"chain": "rewrite(-nodeports)?"'),
    ),
    "nothing of sctp has sources of its own": (
        Pattern("nft", '^without "sctp"$|^sctp -> ', '"chain": "rewrite(-nodeports)?"'),
    ),
    "of three numbers from 0 none is 3": (
        Pattern("nft", "^2 -> 3$", r'"numgen": {"mode": "\w+", "mod": 3}.*{"range": \[1, 2\]}'),
    ),
    "what goes from the node to itself stays there, with its own address": (
        Pattern("nft", r"10\.0\.0\.4", '"name": "hairpin".*"10.0.0.4", "10.0.0.4"'),
        Pattern("ipset", "^removed$|^10", r"-LOOP-BACK 10\.0\.0\.4,"),
    ),
    "about TCP segments that connection tracking calls INVALID, and no packet here is one: real ones are sent": (
        Pattern(_X, "", r"^-A \S+-(ENDPOINTS|INVALID) "),
        Pattern(_X, "", r"-(REJECT|UNSERVED|AT-\S+) (?!.*\n).*-m conntrack --ctstate INVALID -j "),
        Pattern(_X, "^swapped$", r"-(UNSERVED|REJECT) .*--ctstate INVALID -j \S+(\n|$)"),
    ),
    "no node ports are served at the address: there are none, or only in networks that it is not in": (
        Pattern(
            _X,
            r"^(removed|without target|without -d .*|negated -d .*|\S+ -> [0-9a-f.:]+/\d+)$",
            r"-(SERVICES|AT-\S+) (-d \S+ )?-j RETURN$",
            r"-(SERVICES|LOCAL) (! -d \S+ )?-m addrtype --dst-type LOCAL",
        ),
    ),
    "no first packet of a connection is INVALID (test_nft_others sends segments that are)": (
        Pattern("nft", "", r'"chain": "invalid"|"right": "invalid"|"name": "target-ports"'),
    ),
    "ports that are served are declared for INVALID segments alone": (
        Pattern("nft", "", r'"name": "nodeport-(tcp-range-)?declared", "elem"'),
        Pattern("nft", "", r'"name": "((tcp-range-)?declared)", "elem"', r'"chain": "refuse"[^\n]*"@{1}"'),
    ),
    "no loopback address is in the networks that serve node ports": (
        Pattern("nft", "^::1 -> ::2$", r'"chain": "dispatch".*"right": "::1".*"@nodeport-addresses"'),
    ),
    "turns begin elsewhere, or one of two begins": (
        Pattern("nft", "^0 -> 1$", '"mode": "inc", .*"right": 0}'),
        Pattern("nft", "^== -> !=$", '"mode": "inc", "mod": 2}'),
    ),
    "no packet behind a connection's first one has the bit": (
        Pattern("nft", "^nat -> filter$", '"name": "nat-input"'),
    ),
    "a draining endpoint begins no connection to itself": (Pattern("nft", r"100\.64\.0\.55", '"name": "hairpin"'),),
    # ---- orders that do not matter
    "neither asks for what the other changes": (
        Pattern(_X, "^swapped$", r"^-A (\S+-(MARKED|MASQUERADE)) -j (CONN)?MARK .*\n    -A \1 -j (CONN)?MARK "),
    ),
    "both do the same": (
        Pattern(_X, "^swapped$", r"-(SERVICES|NODEPORTS) .*(-j MARK .*)\n.*-\1 .*\2$"),
        Pattern(_X, "^swapped$", r"-POSTROUTING .*(-j \S+-MASQUERADE)\n.*-POSTROUTING .*\1$"),
        Pattern(_X, "^swapped$", r"-SRC-\S+ .* -j RETURN\n.*-SRC-\S+ .* -j RETURN$"),
        Pattern(_X, "^swapped$", r"-GUARD .* -j DROP\n.*-GUARD .* -j DROP$"),
        Pattern(_X, "^swapped$", r"-FILTER .* -j \S+-REJECT\n.*-FILTER .* -j \S+-REJECT$"),
    ),
    "no packet is for both of them": (
        Pattern(_X, "^swapped$", r"^-A \S+ -d (\S+) .*\n    -A \S+ -d (?!\1)"),
        Pattern(_X, "^swapped$", r"-CLUSTER-IP dst,dst .* -j ACCEPT\n.*-SERVICES -m set --match-set \S+-NODE-IP dst"),
        Pattern(
            "nft", "^swapped$", r'"chain": "dispatch".*"data": "@(udp-range-)?services".*\n.*"op": "!=".*"@addresses"'
        ),
        Pattern("nft", "^swapped$", r'"chain": "rewrite".*"data": "@\S*sources".*\n.*"op": "!=".*"@addresses"'),
        Pattern("nft", "^swapped$", r'"chain": "(dispatch|rewrite).*"vmap".*\n.*"chain": "\1.*"vmap"'),
        Pattern(_X, "^swapped$", r"^-A \S+ (-d \S+ )?-p (\w+) .*\n    -A \S+ \1?-p (?!\2)"),
        Pattern(
            _X, "^swapped$", r"^-A \S+ (-d \S+ )?-p (\w+) -m \2 --dport (\S+) -.*\n    .* -p \2 -m \2 --dport (?!\3 )"
        ),
        Pattern(_X, "^swapped$", r" --ctorigdstport (\S+) -.*\n.* --ctorigdstport (?!\1 )"),
    ),
    "a client is remembered for one endpoint at a time": (
        Pattern(_X, "^swapped$", r"-m recent --update .*\n.* -m recent --update "),
        Pattern(
            "nft",
            "^swapped$",
            r'"right": "@(nodeport-|service-)?affinity-\d(-\w+)?"}}.*\n'
            r'.*"right": "@(nodeport-|service-)?affinity-\d(-\w+)?"}}',
        ),
    ),
    "no packet is of two protocols": (
        Pattern("nft", "^swapped$", r'"chain": "refuse".*"(tcp|udp)"}}.*\n.*"chain": "refuse".*"(udp|sctp)"}}'),
    ),
    "what is translated is not for any of ours": (
        Pattern(
            _X, "^(removed|DNAT -> SNAT|without target)$", r"^-A \S+-UNSERVED -m conntrack --ctstate DNAT -j RETURN$"
        ),
        Pattern("nft", '^without {"match": .*"status"', '"chain": "filter-(prerouting|output)"'),
    ),
}


def _covers(pattern: Pattern, mutant: Mutant) -> bool:
    if not re.fullmatch(pattern.part, mutant.part) or not re.search(pattern.change, mutant.change):
        return False
    line = re.search(pattern.line, mutant.line)
    if line is None or not re.search(pattern.focus, mutant.focus):
        return False
    absent = pattern.absent
    for number, text in enumerate(line.groups(""), 1):
        absent = absent and absent.replace(f"{{{number}}}", re.escape(text))
    return absent is None or not re.search(absent, mutant.text)


def reasons(mutant: Mutant, among: Iterable[Pattern] | None = None) -> Iterator[Pattern]:
    """Yield the patterns by which a mutant may survive. ``among``: only these; None: all."""
    known = (pattern for patterns in REASONS.values() for pattern in patterns)
    return (pattern for pattern in (known if among is None else among) if _covers(pattern, mutant))

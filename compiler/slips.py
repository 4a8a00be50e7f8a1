"""What people write who come from other tools, and how svcc's language has it. Tables only: one line for each slip."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from svcc.compiler.names import QUOTED
from svcc.compiler.suggest import did_you_mean

_SERVICE = "service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.9 } }"
_ENDPOINT = "100.64.0.9:8080 weight 2, a line in `endpoints { … }`"

#: Words that begin a statement elsewhere (keepalived, HAProxy, nginx, Kubernetes, Docker, Terraform, nftables), in
#: lower case and without `_`, `-` and `:`; the block where its like stands here ("" is the file); and that.
_WORDS: tuple[tuple[str, str, str], ...] = (
    ("listen frontend virtualserver vserver resource kind metadata spec apiversion", "", _SERVICE),
    ("backend upstream pool backends upstreams servers", "", "endpoints web { 100.64.0.9; 100.64.0.19 }"),
    ("define var variable set locals", "", "let office = [10.0.0.0/8]"),
    ("import source require", "", 'include "lib/*.dsl"'),
    ("host hosts machine", "", "node node-a { address 10.0.0.4 }"),
    ("version", "", "svcc 1"),
    ("global settings config", "", "cluster { … }"),
    ("registered", "endpoints", "registered 100.64.0.0/24, a line in a pool"),
    ("server realserver backend upstream target member peer host address addr ip", "endpoints", _ENDPOINT),
    ("ip ips addr host hostname", "node", "address 10.0.0.4"),
    ("podcidr podcidrs clustercidr cidr podnetwork podnetworks", "cluster", "pods 100.64.0.0/24"),
    ("servicenodeportrange nodeportrange portrange", "cluster", "nodeports 30000-32767"),
    ("interface device dummy dev", "cluster", "vip-device svcc0"),
    (
        "healthcheck readinessprobe livenessprobe httpcheck tcpcheck httpget sslget option delayloop inter interval",
        "service",
        "check http 8080 /healthz every 5s",
    ),
    ("retry maxfails failtimeout rise fall", "service", "check tcp every 5s fall 3 rise 2"),
    ("leastconn", "service", "scheduler lc"),
    ("proxypass defaultbackend usebackend", "service", "endpoints { 100.64.0.9; 100.64.0.19 }"),
    ("weight", "service", _ENDPOINT),
    ("sorryserver", "service", "100.64.0.99 backup, a line in `endpoints { … }`"),
    (
        "pool pools backend backends upstream upstreams servers members",
        "service",
        "endpoints { 100.64.0.9; 100.64.0.19 }",
    ),
    ("clusterip virtualipaddress virtualip virtualaddress bind address ip loadbalancerip", "service", "vip 198.19.0.1"),
    ("externalips externalip publicip", "service", "external-ip 203.0.113.7"),
    ("ports listen expose publish", "service", "port http 80/tcp -> 8080"),
    ("targetport containerport", "service", "port 80/tcp -> 8080"),
    ("nodeport", "service", "port 80/tcp nodeport 30080"),
    ("protocol mode", "service", "port 80/tcp, the protocol behind the port"),
    ("lbalgo lvssched balance algorithm lbmethod loadbalance", "service", "scheduler wrr"),
    ("lbkind lvsmethod", "service", "forward masquerade"),
    ("persistencetimeout sessionaffinity sticky sticktable iphash persistent", "service", "affinity client-ip 3h"),
    ("externaltrafficpolicy", "service", "traffic external local"),
    ("internaltrafficpolicy", "service", "traffic internal local"),
    ("allow acl whitelist loadbalancersourceranges deny blacklist", "service", "allow-from 10.0.0.0/8"),
    ("masq nat", "service", "masquerade always"),
    ("sourceaddr sourceaddress tosource", "service", "snat 203.0.113.8"),
)

#: Words for what svcc leaves to others; the block where they are met (None: anywhere); and what to say.
_LEFT: tuple[tuple[str, str | None, str], ...] = (
    (
        "vrrpinstance vrrpscript virtualrouterid advertint priority interface authentication notify vrrpsyncgroup",
        None,
        "svcc moves no address between machines: say `external-ip ADDRESS shared`, and leave that to VRRP",
    ),
    ("timeout", None, "how long connections last is the kernel's affair; a check has a time: check tcp timeout 2s"),
    (
        "labels selector namespace annotations type name",
        "service",
        "a service is called by its head and lists its endpoints; Kubernetes' objects: svcc import kubernetes FILE",
    ),
    (
        "location servername ssl sslcertificate tls proxysetheader",
        None,
        "svcc balances connections, and does not look into them",
    ),
    ("log accesslog errorlog", None, "svcc logs no connections; `conntrack -E` shows them as they come"),
)

#: Keywords behind ``check KIND``.
CHECK_OPTIONS = ("every", "timeout", "fall", "rise", "expect", "host", "insecure")

#: Schedulers by their names elsewhere.
SCHEDULERS = {
    "roundrobin": "rr",
    "round-robin": "rr",
    "round_robin": "rr",
    "static-rr": "wrr",
    "leastconn": "lc",
    "least_conn": "lc",
    "least-conn": "lc",
    "source": "sh",
    "ip_hash": "sh",
    "maglev": "mh",
}

#: Values by their names elsewhere: by the statement, as messages call it.
VALUES: dict[str, dict[str, str]] = {
    "scheduler": SCHEDULERS,
    "forward": {
        **dict.fromkeys(("dr", "dsr", "gatewaying", "gateway", "route"), "direct"),
        **dict.fromkeys(("nat", "masq", "masquerading", "dnat"), "masquerade"),
        **dict.fromkeys(("tun", "ipip", "gre", "tunneling"), "tunnel"),
    },
    "masquerade": {
        **dict.fromkeys(("yes", "true", "on", "all"), "always"),
        **dict.fromkeys(("no", "false", "off", "none"), "never"),
    },
    "value of announce": {**dict.fromkeys(("true", "on"), "yes"), **dict.fromkeys(("false", "off"), "no")},
    "affinity": dict.fromkeys(("source", "src", "ip", "sourceip", "source_ip"), "client-ip"),
    "when-empty": {
        **dict.fromkeys(("refuse", "deny", "rst", "reset"), "reject"),
        **dict.fromkeys(("blackhole", "ignore", "silent"), "drop"),
    },
    "protocol": {
        **dict.fromkeys(("http", "https", "grpc", "tls", "h2"), "tcp"),
        **dict.fromkeys(("quic", "http3", "dns", "dtls"), "udp"),
    },
}

_PORTS = {"http": 80, "https": 443, "dns": 53, "domain": 53, "ssh": 22, "smtp": 25, "mysql": 3306, "postgres": 5432}
_PROTOCOL = "tcp|udp|sctp|TCP|UDP|SCTP"
_PLACE = r"\d+(?:\.\d+){3}|\d+"
#: Words that begin statements of svcc's, where a `=` behind them is a sign too many.
_KEYWORDS = (
    "svcc|vip|external-ip|announce|allow-from|port|scheduler|affinity|traffic|masquerade|snat|forward|when-empty|check|"
    "when-failed|prefix|pods|nodeports|nodeport-addresses|vip-device|mark|address|zone|instance|let|include"
)
_NUMBER = r"\d{1,5}(?:-\d{1,5})?"


def _port(found: re.Match[str]) -> str:
    """``80/tcp -> 8080``, of a match with ``port``, ``target`` and perhaps ``protocol``."""
    return f"{found['port']}/{(found['protocol'] or 'tcp').lower()} -> {found['target']}"


def _named(found: re.Match[str]) -> str:
    number = _PORTS.get(found["name"].lower(), 80)
    protocol = found.groupdict().get("protocol", "tcp").lower()
    return f"the port is a number: port {found['name']} {number}/{protocol}"


def _each_port(found: re.Match[str]) -> str:
    names = {str(number): name for name, number in _PORTS.items()}
    ports = re.findall(_NUMBER, found["ports"])[:3]
    protocol = (found["protocol"] or "tcp").lower()
    said = "; ".join(f"port {names.get(p, f'p{p}')} {p}/{protocol}" for p in ports)
    return f"one statement for each port, each with a name: {said}"


def _each_protocol(found: re.Match[str]) -> str:
    said = "; ".join(f"port {name} {found['port']}/{name}" for name in ("tcp", "udp"))
    return f"one statement for each protocol, each with a name: {said}"


Hint: TypeAlias = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class _Shape:
    """A piece of a statement, and what to say about it: a text with the groups of the pattern, or a function."""

    pattern: re.Pattern[str]
    hint: Hint


def _shapes(*rows: tuple[str, Hint]) -> tuple[_Shape, ...]:
    return tuple(_Shape(re.compile(pattern), hint) for pattern, hint in rows)


def _pool(found: re.Match[str]) -> str:
    members = "; ".join(re.split(r"[,;]?\s+", found["rest"].strip()))
    return f"write: endpoints {found['name']} {{ {members} }}"


def _members(found: re.Match[str]) -> str:
    members = "; ".join(re.split(r"\s*[,;]\s*|\s+(?=[\d\[])", found["rest"].strip()))
    return f"endpoints stand in a block: endpoints {{ {members} }}"


def _range(found: re.Match[str]) -> str:
    return f"a range is written with `-`: {found['first']}-{found['last']}{found['rest'] or ''}"


#: The first that has the culprit in it counts.
_SHAPES = _shapes(
    (r"^port\s+(?:\S+\s+)?(?:\*|any|all)(?:/\S*)?$", "a port is a number or a range of numbers: port 1-65535/tcp"),
    (r"^port\s+(?:\S+\s+)?(?P<port>\d+)/\*", "one statement for each protocol: port {port}/tcp"),
    (
        r"[a-z]+://(?P<host>\[?[\w.:]+[\]\w]).*",
        "an endpoint is an address, and how it is spoken to is not said: {host}",
    ),
    (rf"(?<![\w.])(?P<first>{_PLACE})\.\.(?P<last>{_PLACE})(?P<rest>/\w+)?(?![\w.])", _range),
    (r"^nodeports\s+(?P<first>\d+):(?P<last>\d+)(?P<rest>)", _range),
    (
        rf"^(?!(?:{_KEYWORDS})\b)\$?(?P<name>[A-Za-z]\w*)\s*:?=\s*(?P<rest>\S.*)",
        "names for addresses are given by `let`: let {name} = {rest}",
    ),
    (r"^let\s+(?P<name>\w+)\s*:=?\s*(?P<rest>\S.*)", "a let has a `=`: let {name} = {rest}"),
    (
        r"^let\s+\$(?P<name>\w+)\s*=\s*(?P<rest>\S.*)",
        "the `$` stands where the name is used: let {name} = {rest}",
    ),
    (r"^let\s+(?P<name>\w+)\s*=\s*\((?P<rest>[^()]*)\)?", "values stand in square brackets: let {name} = [{rest}]"),
    (
        r"^endpoints\s+(?P<name>\w+)\s*[=:]\s*\[?(?P<rest>[^\]]*)\]?",
        _pool,
    ),
    (r"^\[?[\da-fA-F]*[.:][^,]*,.*", "one endpoint a line, or `;` between them, and no commas"),
    (r"^endpoints\s+\[?(?P<rest>\d+(?:\.\d+){3}[^\]]*)\]?$", _members),
    (r"^node\s+(?P<name>\S+)\s+(?P<rest>[\d:a-fA-F.]+.*)$", "write: node {name} {{ address {rest} }}"),
    (r"^\d+(?:\.\d+){3}$", "say what the address is: address, vip or external-ip, or a line in `endpoints {{ … }}`"),
    (r"^(?:allow-from|pods)\s+(?:any|all|\*)$", "every address is written 0.0.0.0/0, for IPv6 ::/0"),
    (r"^(?:vip|external-ip)\s+(?:any|all|\*)$", "svcc serves addresses that it knows: write them"),
    (
        r"^(?P<address>[\d.]+)\s+port\s+(?P<port>\d+)",
        "the port follows the address: {address}:{port}",
    ),
    (r"^(?P<address>[\d.]+)\s+(?P<number>\d+)$", "write: {address} weight {number}, or a port: {address}:{number}"),
    (r"^(?P<address>\S+)\s+(?:down|disabled?|off)\b", "to get nothing new: {address} draining; or leave the line out"),
    (
        r"^[\d\[][\w.:\]]*\s.*?\b(?:max_fails|fail_timeout|inter|rise|fall|check)\b.*",
        "that is for all endpoints: check tcp every 5s fall 3 rise 2, a line of the service",
    ),
    (
        r"^port\s.*\b(?P<port>\d+)/(?P<protocol>tcp|udp|sctp)\s+(?:to\s+)?(?P<target>\d+)$",
        "write: {port}/{protocol} -> {target}",
    ),
    (
        r"^port\s.*->\s*\d+(?:\.\d+){3}:(?P<target>\d+)",
        "addresses stand in `endpoints {{ … }}`, and here the port that they have: -> {target}",
    ),
    (r"(?<!\S)(?P<first>\d+)\s+-\s*(?P<last>\d+)(?P<rest>/\w+)?(?![\w.])", _range),
    (
        rf"(?P<port>{_NUMBER})/(?P<protocol>{_PROTOCOL})\s*(?:-|>|-->|=)\s*(?P<target>\d+)(?![\w.])",
        lambda m: f"write: {_port(m)}",
    ),
    (r"^port\s.*->\s*[A-Za-z]\w*$", "the target is a number: -> 8080"),
    (r"\bnode[Pp]ort:\s*(?P<port>\d+)", "write: nodeport {port}"),
    (r"^affinity\s+client-ip\s+(?P<number>\d+)\s*(?P<unit>[smhd])\b.*", "no blank before the unit: {number}{unit}"),
    (r"\b(?:client-ip|every|timeout)\s+(?P<number>\d+)$", "a time has a unit, s, m, h or d: {number}s"),
    (
        r"^check\s+(?P<kind>\w+)\s+(?:\d+\s+)?(?:inter|interval)\s+(?P<time>\S+)",
        "the word is `every`: check {kind} every {time}",
    ),
    (
        r"^check\s+(?P<kind>https?)\s+(?:GET|HEAD|OPTIONS)\s+(?P<path>\S+)",
        "a check asks by GET alone: check {kind} {path}",
    ),
    (r"^mark\s+(?P<mark>0x[0-9a-fA-F]+)/\S+", "the mark is its own mask: mark {mark}"),
    (r"(?://|/\*|\*/|--|!).*", "a comment begins with `#`"),
    (r"^- ?.*", "a list has no `-`: each value stands for itself"),
    (r"^include\s+['“”‘’]?(?P<path>[^\s\"'“”‘’;]+)['“”‘’]?", 'write the path in quotes: include "{path}"'),
    (r"^let\s+(?P<name>[\w.-]+)\s+(?P<rest>[^\s=].*)", "a let has a `=`: let {name} = {rest}"),
    (r"(?<!\S)\d+(?:\.\d+){3}-\d+(?:\.\d+){3}", "only `vip` and `external-ip` take ranges of addresses"),
    (r"^affinity\s+(?P<time>\d+\w*)$", "write whose: affinity client-ip {time}"),
    (
        r"^check\s+\w+(?:\s+\d+)?\s+(?P<word>[A-Za-z_-]+)\s+\d\S*",
        lambda m: did_you_mean(m["word"], CHECK_OPTIONS) or f"`{m['word']}` is not an option of a check",
    ),
    (
        rf"(?<![\w.:])(?P<port>{_NUMBER})\s*(?:->|:|=>|→)\s*(?P<target>\d+)/(?P<protocol>{_PROTOCOL})\b",
        lambda m: f"write: {_port(m)}",
    ),
    (
        rf"(?<![\w.:])(?P<port>{_NUMBER})(?:/(?P<protocol>{_PROTOCOL}))?\s*(?:->|:|=>|→)\s*(?P<target>\d+)(?![\w.])",
        lambda m: f"write: {_port(m)}",
    ),
    (rf"(?<![\w.:])(?P<ports>{_NUMBER}(?:\s*,\s*{_NUMBER})+)(?![\w.:])(?:/(?P<protocol>{_PROTOCOL}))?", _each_port),
    (rf"(?P<port>{_NUMBER})/(?:{_PROTOCOL})\s*[+,/|&]\s*(?:{_PROTOCOL})", _each_protocol),
    (rf"(?P<protocol>{_PROTOCOL})\s*[/: ]\s*(?P<port>{_NUMBER})$", "the port comes first: {port}/{protocol}"),
    (rf"(?P<port>{_NUMBER})\s*[ :]\s*(?P<protocol>{_PROTOCOL})\b", "write: {port}/{protocol}"),
    (r"^traffic\s+(?P<how>local|cluster)$", "write whose: traffic external {how}, or traffic internal {how}"),
    (rf"^port\s+(?:\S+\s+)?(?P<name>{'|'.join(_PORTS)})$", _named),
    (rf"^port\s+(?P<name>[A-Za-z][\w.-]*)/(?P<protocol>{_PROTOCOL})", _named),
    (
        r"(?:\*|0\.0\.0\.0):\d+",
        "svcc serves addresses, not sockets: write the address, and the port in a `port` statement",
    ),
    (r"(?P<host>[A-Za-z_][\w-]*(?:\.[\w-]+)*\.?):\d+", "svcc looks up no host names: write the address of {host}"),
    (r"(?P<word>[A-Za-z][\w-]*):(?:\s|$)", "without the colon: {word}"),
    (r"(?<!let )\b(?P<word>[\w-]+)\s*=\s*[\"']?(?P<value>[\w./:-]*)", "without `=`: {word} {value}"),
    (r"[“”‘’'](?P<word>[^“”‘’']*)[“”‘’']?", "quotes are straight and double, and only around names and paths: {word}"),
    (r"\S*[→⇒➜]\S*", "write the arrow as `->`"),
    (r"\S*[–—−]\S*", "write a plain `-`"),
)

#: Signs that are hard to see, or that an editor puts in.
SIGNS = {
    "\xa0": "that is a no-break space: write a plain blank",
    "\u3000": "that is a wide blank: write a plain blank",
    "\ufeff": "that is a byte order mark, which may stand at the beginning of a file only: remove it",
    "\u200b": "that is a blank without width: remove it",
    "\r": "that is a carriage return without a line feed: end lines with LF or CRLF",
}


def foreign_word(word: str, block: str) -> str | None:
    """What stands in svcc's language for a word that begins a statement elsewhere."""
    plain = re.sub(r"[_:-]", "", word.lower())
    entries = [(where, form) for words, where, form in _WORDS if plain in words.split()]
    left = next((said for words, where, said in _LEFT if where in (None, block) and plain in words.split()), None)
    if not entries or (left and block not in (where for where, _ in entries)):
        return left
    where, form = next((e for e in entries if e[0] == block), entries[0])
    place = "" if where in (block, "endpoints") else f" in a `{where}`" if where else " at the top of a file"
    return f"svcc's word for that{place} is: {form}"


def foreign_shape(statement: str, at: int) -> str | None:
    """What to say about a statement whose character ``at`` cannot be there."""
    for shape in _SHAPES:
        for found in shape.pattern.finditer(statement):
            if found.start() <= at <= found.end() and found.group():
                return shape.hint(found) if callable(shape.hint) else shape.hint.format_map(found.groupdict())
    return None


def quotable(word: str) -> bool:
    """Whether a word would be a name if it were quoted."""
    return QUOTED.fullmatch(word) is not None


def hidden(text: str) -> Iterator[str]:
    """Hints about signs of a text that are hard to see."""
    return (hint for sign, hint in SIGNS.items() if sign in text)

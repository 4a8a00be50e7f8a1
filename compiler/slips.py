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
    ("server realserver backend upstream target member peer host", "endpoints", _ENDPOINT),
    (
        "healthcheck readinessprobe livenessprobe httpcheck tcpcheck httpget sslget",
        "service",
        "check http 8080 /healthz every 5s",
    ),
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
    ("allow acl whitelist loadbalancersourceranges", "service", "allow-from 10.0.0.0/8"),
    ("masq snat nat", "service", "masquerade always"),
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

_PORTS = {"http": 80, "https": 443, "dns": 53, "domain": 53, "ssh": 22, "smtp": 25, "mysql": 3306, "postgres": 5432}
_PROTOCOL = "tcp|udp|sctp|TCP|UDP|SCTP"
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


#: The first that has the culprit in it counts.
_SHAPES = _shapes(
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
        rf"(?P<port>{_NUMBER})\s*(?:->|:|=>|→)\s*(?P<target>\d+)/(?P<protocol>{_PROTOCOL})\b",
        lambda m: f"write: {_port(m)}",
    ),
    (
        rf"(?P<port>{_NUMBER})(?:/(?P<protocol>{_PROTOCOL}))?\s*(?:->|:|=>|→)\s*(?P<target>\d+)",
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
    if not entries:
        return None
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

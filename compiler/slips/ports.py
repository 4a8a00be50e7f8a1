"""Slips in the statements `port` and `nodeports`, and in ports and ranges of other statements."""

from __future__ import annotations

import re

from svcc.compiler.slips.slip import protocol_of, slips

#: Ports by the names that people write instead.
NUMBERS = {"http": 80, "https": 443, "dns": 53, "domain": 53, "ssh": 22, "smtp": 25, "mysql": 3306, "postgres": 5432}

_PROTOCOL = "tcp|udp|sctp|TCP|UDP|SCTP"
_PLACE = r"\d+(?:\.\d+){3}|\d+"
_NUMBER = r"\d{1,5}(?:-\d{1,5})?"
_ADDRESSES = "addresses stand in `endpoints {{ … }}`, and here the port that they have: -> 8080"


def _protocol(found: re.Match[str]) -> str:
    """Return the protocol of a match, or else of the statement that it is in."""
    return (found.groupdict().get("protocol") or protocol_of(found.string)).lower()


def _with_target(found: re.Match[str]) -> str:
    """Return a hint with ``80/tcp -> 8080`` for a match with ``port`` and ``target``."""
    return f"write: {found['port']}/{_protocol(found)} -> {found['target']}"


def _number_of_name(found: re.Match[str]) -> str:
    number = NUMBERS.get(found["name"].lower(), 80)
    return f"the port is a number: port {found['name']} {number}/{_protocol(found)}"


def _statements(*ports: str) -> str:
    """Return a statement for each of some ports, as "80/tcp", with names of their own."""
    names = {str(number): name for name, number in NUMBERS.items()}
    numbers = [port.partition("/")[0] for port in ports]
    said = []
    for port, number in zip(ports, numbers, strict=True):
        name = names.get(number, f"p{number}")
        said.append(
            f"port {name if numbers.count(number) == 1 else port.replace(number, name).replace('/', '-')} {port}"
        )
    return "; ".join(said)


def _each_port(found: re.Match[str]) -> str:
    ports = re.findall(_NUMBER, found["ports"])[:3]
    return f"one statement for each port, each with a name: {_statements(*(f'{p}/{_protocol(found)}' for p in ports))}"


def _each_protocol(found: re.Match[str]) -> str:
    said = "; ".join(f"port {name} {found['port']}/{name}" for name in ("tcp", "udp"))
    return f"one statement for each protocol, each with a name: {said}"


def _both_ports(found: re.Match[str]) -> str:
    said = _statements(*(port.lower() for port in found.group("first", "second")))
    return f"one statement for each port, each with a name: {said}"


def _named_ports(found: re.Match[str]) -> str:
    ports = re.findall(rf"([A-Za-z][\w-]*)\s+({_NUMBER})/({_PROTOCOL})", found.string)
    said = "; ".join(f"port {name} {number}/{protocol.lower()}" for name, number, protocol in ports)
    return f"one statement for each port: {said}"


def _range(found: re.Match[str]) -> str:
    return f"a range is written with `-`: {found['first']}-{found['last']}{(found['rest'] or '').lower()}"


#: Statements that begin with `port` or `nodeports`, and what only these have.
SLIPS = slips(
    (r"^port\s+name\s+(?P<name>[\w-]+)\s+(?P<port>\d\S*)", "the name stands alone: port {name} {port}"),
    (
        r"^port\s+(?P<port>\d\S*/\w+)\s+(?:name|named|as)\s+(?P<name>[\w-]+)",
        "the name comes first: port {name} {port}",
    ),
    (
        rf"^port\s+[A-Za-z][\w-]*\s+{_NUMBER}/\w+(?:\s*,\s*|\s+)(?:port\s+)?[A-Za-z][\w-]*\s+{_NUMBER}/(?:{_PROTOCOL})",
        _named_ports,
    ),
    (
        r"^port\s+[A-Za-z][\w-]*\s*,\s*[A-Za-z][\w-]*\s+(?P<port>\d\S*)",
        "one statement for each port, each with a name: port http 80/tcp; port https 443/tcp",
    ),
    (
        rf"(?P<port>{_NUMBER})(?:\s+/\s*|/\s+|-/|-)?(?P<protocol>{_PROTOCOL})(?!\S)",
        lambda m: f"write: {m['port']}/{_protocol(m)}",
    ),
    (r"^port\s.*->\s*(?:\d+(?:\.\d+){3}|\[\S+\]|[\da-f]*::[\da-f:]*)$", _ADDRESSES),
    (
        r"(?P<first>\d+)/(?P<protocol>tcp|udp|sctp)-(?P<last>\d+)/(?P=protocol)",
        "a range is written with `-`: {first}-{last}/{protocol}",
    ),
    (r"^nodeports\s+(?P<first>\d+)\s+to\s+(?P<last>\d+)(?P<rest>)", _range),
    (r"^port\s+(?:[a-z]\S*\s+)?(?P<first>\d+)\s+to\s+(?P<last>\d+)(?P<rest>/\w+)", _range),
    (
        r"(?P<port>\d\S*/\w+)\s+nodeport\s+(?P<node>\d+)\s*->\s*(?P<target>\d+)",
        "the target comes first: {port} -> {target} nodeport {node}",
    ),
    (
        r"(?P<port>\d\S*/\w+)\s+(?i:target|redirect|(?:target|container|to)[-_]?port)\s*[:=]?\s*(?P<target>\d+)",
        "write: {port} -> {target}",
    ),
    (r"^port\s+(?:[a-z]\S*\s+)?(?:0x[0-9a-fA-F]+|\d+e\d+|\d+\.\d+)(?:/\w+)?$", "a port is a whole number: 80/tcp"),
    (
        r"^port\s.*\s(?P<word>scheduler|affinity|check|traffic|masquerade|allow-from|snat|forward|announce)\s.*",
        "`{word}` is a statement of its own, for all ports of the service",
    ),
    (r"^nodeports\s+(?:none|off|no|false)$", "only a port that says `nodeport` has one: leave the statement out"),
    (r"^port\s+(?:[a-z]\S*\s+)?(?P<first>\d+/\w+)[\s,]+(?P<second>\d+/\w+)$", _both_ports),
    (r"(?P<port>\d+)/(?P<protocol>tcp|udp|sctp)\s*->\s*:(?P<target>\d+)", _with_target),
    (r"^port\s+(?:\S+\s+)?:(?P<port>\d+)", "a port names its protocol: {port}/{spoken}"),
    (
        r"^port\s+(?:\d+(?:\.\d+){3}|\[\S+\]):(?P<port>\d+(?:/\w+)?)",
        "addresses stand in `vip` and `external-ip`: port {port}",
    ),
    (r'^port\s+"(?P<port>\d\S*/\w+)"', "without quotes: {port}"),
    (
        r"^port\s+(?:--)?dports?\s+(?P<port>\d+)|^port\s+--\w+\s+(?P<other>\d+)",
        lambda m: f"write: port {m['port'] or m['other']}/{_protocol(m)}",
    ),
    (r"^port\s+port=\"?(?P<port>\d+)\"?\s+protocol=\"?(?P<protocol>\w+)", "write: port {port}/{protocol}"),
    (r"\bnodeport\s+(?P<port>\d+)/\w+", "the protocol is the port's own: nodeport {port}"),
    (r"\bnodeport(?:\s+(?:auto|any|yes|true|random))?\s*$", "svcc chooses no numbers: nodeport 30080"),
    (r"^nodeports\s+(?P<first>\d+)\s*[, ]\s*(?P<last>\d+)(?P<rest>)$", _range),
    (
        r"^port\s+(?:\S+\s+)?(?:\*|any|all)(?:[/ ]\S*)?$",
        "a port is a number or a range of numbers: port 1-65535/{spoken}",
    ),
    (r"^port\s+(?:\S+\s+)?(?P<port>\d+)/\*", "one statement for each protocol: port {port}/tcp"),
    (r"^nodeports\s+(?P<first>\d+):(?P<last>\d+)(?P<rest>)", _range),
    (
        r"^port\s.*\b(?P<port>\d+)/(?P<protocol>tcp|udp|sctp)\s+(?:to\s+)?(?P<target>\d+)$",
        "write: {port}/{protocol} -> {target}",
    ),
    (
        r"^port\s.*->\s*\d+(?:\.\d+){3}:(?P<target>\d+)",
        "addresses stand in `endpoints {{ … }}`, and here the port that they have: -> {target}",
    ),
    (r"^port\s.*->\s*[A-Za-z]\w*$", "the target is a number: -> 8080"),
    (rf"^port\s+(?:\S+\s+)?(?P<name>{'|'.join(NUMBERS)})$", _number_of_name),
    (rf"^port\s+(?P<name>[A-Za-z][\w.-]*)/(?P<protocol>{_PROTOCOL})", _number_of_name),
)

#: Ports, protocols and ranges of any statement.
ANYWHERE = slips(
    (rf"(?<![\w.])(?P<first>{_PLACE})\.\.(?P<last>{_PLACE})(?P<rest>/\w+)?(?![\w.])", _range),
    (r"(?<!\S)(?P<first>\d+)\s+-\s*(?P<last>\d+)(?P<rest>/\w+)?(?![\w.])", _range),
    (
        rf"(?P<port>{_NUMBER})/(?P<protocol>{_PROTOCOL})\s*(?:-|>|-->|=)\s*(?P<target>\d+)(?![\w.])",
        _with_target,
    ),
    (r"\bnode[Pp]ort:\s*(?P<port>\d+)", "write: nodeport {port}"),
    (
        rf"(?<![\w.:])(?P<port>{_NUMBER})\s*(?:->|:|=>|→)\s*(?P<target>\d+)/(?P<protocol>{_PROTOCOL})\b",
        _with_target,
    ),
    (
        rf"(?<![\w.:])(?P<port>{_NUMBER})(?:/(?P<protocol>{_PROTOCOL}))?\s*(?:->|:|=>|→)\s*(?P<target>\d+)(?![\w.])",
        _with_target,
    ),
    (rf"(?<![\w.:])(?P<ports>{_NUMBER}(?:\s*,\s*{_NUMBER})+)(?![\w.:])(?:/(?P<protocol>{_PROTOCOL}))?", _each_port),
    (rf"(?P<port>{_NUMBER})/(?:{_PROTOCOL})\s*[+,/|&]\s*(?:{_PROTOCOL})", _each_protocol),
    (
        rf"(?<![\w-])(?P<protocol>{_PROTOCOL})\s*[/: ]\s*(?P<port>{_NUMBER})$",
        lambda m: f"the port comes first: {m['port']}/{_protocol(m)}",
    ),
    (rf"(?P<port>{_NUMBER})\s*[ :]\s*(?P<protocol>{_PROTOCOL})\b", lambda m: f"write: {m['port']}/{_protocol(m)}"),
)

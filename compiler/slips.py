"""Mistakes of people who know other tools, and what to write in svcc's language.

Tables only: one line for each mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TypeAlias

from svcc.compiler.names import QUOTED
from svcc.compiler.suggest import did_you_mean

#: Keywords that may follow ``check KIND``.
CHECK_OPTIONS = ("every", "timeout", "fall", "rise", "expect", "host", "insecure")

_PORTS = {"http": 80, "https": 443, "dns": 53, "domain": 53, "ssh": 22, "smtp": 25, "mysql": 3306, "postgres": 5432}
_PROTOCOL = "tcp|udp|sctp|TCP|UDP|SCTP"
_PLACE = r"\d+(?:\.\d+){3}|\d+"
#: Words that begin svcc's statements. A `=` behind them is one sign too many.
_KEYWORDS = (
    "endpoints|service|node|cluster|defaults|balancer|svcc|vip|external-ip|announce|allow-from|port|scheduler|affinity|traffic|masquerade|snat|forward|when-empty|check|"
    "when-failed|prefix|pods|nodeports|nodeport-addresses|vip-device|mark|address|zone|instance|let|include"
)
_NUMBER = r"\d{1,5}(?:-\d{1,5})?"


def _port(found: re.Match[str]) -> str:
    """Return ``80/tcp -> 8080`` for a match with ``port``, ``target`` and perhaps ``protocol``."""
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


Hint: TypeAlias = str | Callable[[re.Match[str]], str | None]


@dataclass(frozen=True, slots=True)
class _Shape:
    """A pattern for a piece of a statement, and what to say about it: a text with the groups of the pattern, or a
    function.

    A function may return None: then the piece is not what the pattern looks for.
    """

    pattern: re.Pattern[str]
    hint: Hint


def _shapes(*rows: tuple[str, Hint]) -> tuple[_Shape, ...]:
    return tuple(_Shape(re.compile(pattern), hint) for pattern, hint in rows)


def _pool(found: re.Match[str]) -> str:
    members = "; ".join(re.split(r"[,;]?\s+", found["rest"].strip()))
    return f"write: endpoints {found['name']} {{ {members} }}"


def _each(found: re.Match[str]) -> str:
    names = {str(number): name for name, number in _PORTS.items()}
    said = "; ".join(
        f"port {names.get(port, f'p{port}')} {port}/{protocol}"
        for port, protocol in (found.group("first", "protocol"), found.group("second", "other"))
    )
    return f"one statement for each port, each with a name: {said}"


def _netmask(found: re.Match[str]) -> str:
    """Return a hint with the network for an address and a netmask."""
    try:
        return f"a network is written with the length of its prefix: {IPv4Network(found['network'], strict=False)}"
    except ValueError:
        return "a network is written with the length of its prefix: 10.0.0.0/8"


def _short(found: re.Match[str]) -> str:
    """Return a hint with the network for an address that lacks numbers."""
    numbers = [number for number in found["head"].split(".") if number]
    length = found.groupdict().get("length") or str(8 * len(numbers))
    return f"an address has four numbers: {'.'.join([*numbers, '0', '0', '0'][:4])}/{length}"


def _without_equals(found: re.Match[str]) -> str | None:
    """Return a hint without the `=`.

    Return None where the word before it stands first in the statement, and is no keyword of svcc's.
    """
    if found.start() == 0:
        keyword = found["word"].lower()
        return f"without `=`: {keyword} {found['value']}".rstrip() if keyword in _KEYWORDS.split("|") else None
    return f"without `=`: {found['word']} {found['value']}".rstrip()


def _members(found: re.Match[str]) -> str:
    members = "; ".join(re.split(r"\s*[,;]\s*|\s+(?=[\d\[])", found["rest"].strip()))
    return f"endpoints stand in a block: endpoints {{ {members} }}"


def _range(found: re.Match[str]) -> str:
    return f"a range is written with `-`: {found['first']}-{found['last']}{found['rest'] or ''}"


def _list(found: re.Match[str]) -> str:
    values = ", ".join(re.split(r"[, ]+", f"{found['first']}, {found['rest']}"))
    return f"values stand in square brackets: let {found['name']} = [{values}]"


def _whole_time(found: re.Match[str]) -> str:
    """Return a hint with a fractional time as a whole number of a smaller unit: 90m for 1.5h."""
    times, unit = {"m": (60, "s"), "h": (60, "m"), "d": (24, "h")}[found["unit"]]
    return f"a time is a whole number: {round(float(found['number']) * times)}{unit}"


def _weight(found: re.Match[str]) -> str:
    """Return a hint with a share as a whole number: 50 for 50%, 5 for 0.5."""
    number = found["number"].replace("0.", "", 1).replace(".", "")
    return f"weights are whole numbers that count beside each other: weight {int(number)}"


def _one_unit(found: re.Match[str]) -> str:
    """Return a hint with a time of two units in the smaller unit: 210m for 3h30m."""
    seconds = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    whole = int(found["many"]) * seconds[found["large"]] + int(found["few"]) * seconds[found["small"]]
    return f"a time has one unit: {whole // seconds[found['small']]}{found['small']}"


def _share(found: re.Match[str]) -> str:
    return f"write: {found['address']} weight {found['one'] or found['two'] or found['three']}"


def _endpoint(found: re.Match[str]) -> str:
    address = re.sub(r"\s+", ":", found["address"])
    return f"the protocol is that of the service's port: {address}"


def _tool(name: str) -> str:
    return f"that is a line of {name}: `svcc import {name} FILE` prints a program of such lines"


_RULES = (
    "svcc writes rules itself: say what is served, "
    "service web {{ vip 198.19.0.1; port 80/tcp; endpoints {{ 100.64.0.9 }} }}"
)

#: Whole statements of other tools, recognized by their first words.
_STATEMENTS = _shapes(
    (r"^(?:sudo\s+)?ipvsadm\b|^-[AaEe]\s+-[tuf]\s|^(?:TCP|UDP|SCTP|FWM)\s+\S+\s+\w+$", _tool("ipvsadm")),
    (r"^->\s+\S+\s+(?:Masq|Route|Tunnel)\b", _tool("ipvsadm")),
    (r"^(?:sudo\s+)?ip6?tables\b|^-[AIN]\s+[A-Z]", _tool("iptables")),
    (r"^(?:sudo\s+)?nft\b|^(?:table|chain|ip6?\s+[sd]addr|(?:tcp|udp)\s+dport\s.*\b(?:dnat|accept))\b|^dnat\b", _RULES),
    (
        r"^(?:sudo\s+)?(?:firewall-cmd|ufw)\b|^--(?:add|remove|permanent|zone)\b|^(?:rule|rich-rule)\b",
        "svcc opens no ports of a firewall; a service says what it has: port 80/tcp",
    ),
    (r"^(?:-p|--proto\w*)\s+(?P<protocol>tcp|udp|sctp)\b.*--dports?\s+(?P<port>\d+)", "write: port {port}/{protocol}"),
    (r"^-[tu]\s+(?P<address>[\d.]+):(?P<port>\d+)", "write: vip {address}, and port {port}/tcp"),
    (r"^-s\s+(?P<name>\w+)", "write: scheduler {name}"),
    (r"^-p\s+(?P<time>\d+)", "write: affinity client-ip {time}s"),
    (r"^[A-Z]\w+=\S+\.(?:target|service)\b", "that is for a unit of systemd's, and no part of a program"),
    (
        r"^(?:\[(?:Unit|Service|Install|Socket|Match|Network)\])",
        "that is for a unit of systemd's, and no part of a program",
    ),
    (r"^(?:<{7}|>{7})(?:\s|$)", "a merge that was not finished: keep what is right, and remove its marks"),
    (r"^---$|^%YAML\b", "a file is one program: YAML's marks have no place in it"),
)

_ADDRESSES = "addresses stand in `endpoints {{ … }}`, and here the port that they have: -> 8080"

#: Pieces of statements. The first pattern whose match holds the culprit counts.
_SHAPES = _shapes(
    # statements of svcc with a slip in them
    (
        r"^(?:vip|external-ip)\s.*?(?<!\S)\d+(?:\.\d+){3}:(?P<port>\d+/\w+)",
        "the port is a statement of its own: port {port}",
    ),
    (
        r"^(?:vip|external-ip)\s.*?(?<!\S)(?P<head>\d+(?:\.\d+){2}\.)(?P<first>\d+)-(?P<last>\d+)(?![\d.])",
        "both ends of a range are addresses: {head}{first}-{head}{last}",
    ),
    (
        r"^(?:vip|external-ip)\s.*?(?P<first>\d+(?:\.\d+){3})\s+(?:-|to)\s*(?P<last>\d+(?:\.\d+){3})",
        "a range has no blanks in it: {first}-{last}",
    ),
    (
        r"^(?P<word>vip|external-ip|allow-from|pods|services|snat)\s+\((?P<rest>[^()]*)\)?",
        "values stand side by side, without brackets: {word} {rest}",
    ),
    (r"^port\s+name\s+(?P<name>[\w-]+)\s+(?P<port>\d\S*)", "the name stands alone: port {name} {port}"),
    (r"^port\s+(?P<port>\d\S*/\w+)\s+name\s+(?P<name>[\w-]+)", "the name comes first: port {name} {port}"),
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
        r"(?P<port>\d\S*/\w+)\s+(?i:target|(?:target|container|to)[-_]?port)\s*[:=]?\s*(?P<target>\d+)",
        "write: {port} -> {target}",
    ),
    (r"^port\s+(?:[a-z]\S*\s+)?(?:0x[0-9a-fA-F]+|\d+e\d+|\d+\.\d+)(?:/\w+)?$", "a port is a whole number: 80/tcp"),
    (
        r"^port\s.*\s(?P<word>scheduler|affinity|check|traffic|masquerade|allow-from|snat|forward|announce)\s.*",
        "`{word}` is a statement of its own, for all ports of the service",
    ),
    (r"(?<!\S)(?P<many>\d+)(?P<large>[dhm])(?P<few>\d+)(?P<small>[hms])(?!\S)", _one_unit),
    (
        r"^check\s+(?P<kind>https?)\s+(?P<path>/\S*)\s+(?P<port>80|443|\d{4,5})$",
        "the port comes first: check {kind} {port} {path}",
    ),
    (r"\bexpect\s+(?P<class>[1-5])[xX]{2}", "a range is written with `-`: expect {class}00-{class}99"),
    (
        r"\bexpect\s+(?P<first>[1-5]\d\d)\s*,?\s*(?P<last>[1-5]\d\d)\b",
        "it is one status, or a range: expect {first}-{last}",
    ),
    (
        r"^(?P<address>[\d\[][\w.:\]]*)(?:\s*\(\s*(?P<one>\d+)|\s*\*\s*(?P<two>\d+)|\s+(?:w|x|priority|share)\s*=?\s*(?P<three>\d+))",
        _share,
    ),
    (r"^[\d\[]\S*\s.*\bweight$", "write: weight 2"),
    (r"^[\d\[]\S*\s.*\bon$", "write: on node-a"),
    (
        r"^(?P<address>\d+(?:\.\d+){3}:\d+)-\d+$",
        "ranges of ports stand in `port` statements, and here their first port: {address}",
    ),
    (r"^(?P<address>\d+(?:\.\d+){3}):\*$", "its ports are those of the service: {address}"),
    (r"^(?:unix:|/(?![/*]))\S*", "an endpoint is an address of IPv4 or IPv6"),
    (r"^\* ?.*", "a list has no `*`: each value stands for itself"),
    (r"^nodeports\s+(?:none|off|no|false)$", "only a port that says `nodeport` has one: leave the statement out"),
    (r"^mark\s+(?:auto|none|off|no|default)$", "without the statement it is 0x4000"),
    (r"^(?P<block>cluster|defaults)\s+[\w.-]+$", "the block has no name: {block} {{ … }}"),
    (
        r"^nodeport-addresses\s+(?!(?:any|all)$)[a-z][\w.-]*$",
        "it lists networks, not devices: nodeport-addresses 10.0.0.0/8",
    ),
    (r"^prefix(?:\s+[\w-]+\s+\S+)?$", "a prefix is one word: prefix SVCC"),
    # other slips
    (r"^={7}$", "a merge that was not finished: keep what is right, and remove its marks"),
    (r"\$(?:$|(?=[({]))", "a let is written $name; svcc knows no variables of a shell"),
    (
        r"^(?P<first>\d+(?:\.\d+){3}(?::\d+)?|\[\S+\]:\d+)\s+(?P<second>\d+(?:\.\d+){3}(?::\d+)?|\[\S+\]:\d+)",
        "each endpoint stands in a line of its own, or behind a `;`: {first}; {second}",
    ),
    (r"(?<![\w.:])(?P<number>\d{1,4}\.\d{1,4})(?P<unit>[mhd])(?!\S)", _whole_time),
    (
        r"^(?P<block>service|node|endpoints|balancer)\s+(?P<one>[A-Za-z][\w-]*)\s+(?P<two>[A-Za-z][\w-]*)$",
        "a name is one word: {block} {one}-{two} {{ … }}",
    ),
    (r"^(?P<word>vip|external-ip|address|snat)$", "write: {word} 198.19.0.1"),
    (r"^(?P<word>pods|allow-from|nodeport-addresses)$", "write: {word} 10.0.0.0/8"),
    (r"[０-９]+", "digits are ASCII: 0 to 9"),
    (
        r"^(?P<flag>backup|draining)\s+(?P<address>\d+(?:\.\d+){3}(?::\d+)?|\[\S+\]:\d+)",
        "the word follows the address, in `endpoints {{ … }}`: {address} {flag}",
    ),
    # an endpoint's options, as ipvsadm writes them
    (r"^-r\s+(?P<address>[\d.:]+)\s+.*-w\s+(?P<weight>\d+)", "write: {address} weight {weight}"),
    (r"^-r\s+(?P<address>[\d.:]+)", "write: {address}"),
    (r"^[\d\[]\S*\s.*-w\s+(?P<weight>\d+)", "write: weight {weight}"),
    (r"^[\d\[]\S*\s.*-x\s+(?P<number>\d+)", "write: max-connections {number}"),
    (r"^[\d\[]\S*\s.*-[gim]\b.*", "that is for the whole service: forward masquerade, direct or tunnel"),
    (r"^scheduler\s+-s\s+(?P<name>\w+)", "write: scheduler {name}"),
    (r"^forward\s+-m\b", "write: forward masquerade"),
    (r"^forward\s+-g\b", "write: forward direct"),
    (r"^forward\s+-i\b", "write: forward tunnel"),
    # addresses
    (rf",\s*(?:{_KEYWORDS})\b", "a statement ends with its line or with `;`"),
    (r"(?<!\S)(?P<network>\d+(?:\.\d+){3}/\d+(?:\.\d+){3})", _netmask),
    (r"(?<!\S)(?P<head>\d+(?:\.\d+){0,2})(?:\.\*)+(?!\S)", _short),
    (
        r"^(?:allow-from|pods|services|nodeport-addresses|masquerade)\s.*?(?<!\S)(?P<head>\d+(?:\.\d+){0,2})/(?P<length>\d+)",
        _short,
    ),
    (r"^allow-from\s.*?![\s\d].*", "it lists who may come, and all others may not: there is no `!`"),
    (r"(?<!\S)(?P<address>[\da-fA-F.:]*[.:][\da-fA-F.:]*)%\S+", "an address has no zone behind it: {address}"),
    (r"^(?:vip|external-ip)\s.*?\s(?P<port>\d+/\w+)$", "the port is a statement of its own: port {port}"),
    (
        r"^(?:vip|external-ip)\s.*?\sdev\s+\S+",
        "the cluster says which device has the addresses: cluster {{ vip-device svcc0 }}",
    ),
    (r"^nodeport-addresses\s+(?:any|all|\*)$", "without the statement, every address of the machine serves them"),
    (r"^snat\s+(?:auto|yes|true|masquerade)$", "to the address that the way out has: masquerade always"),
    # endpoints
    (r"^(?P<address>\S+)\s+(?P<word>draining|backup)\s+(?:true|yes|on|1)$", "write: {address} {word}"),
    (r"^[\d\[]\S*\s.*weight\s+(?P<number>\d*\.?\d+)%?$", _weight),
    (r"^[\d\[]\S*\s.*weight\s+-\d+", "a weight is 0 to 65535"),
    (r"^[\d\[]\S*\s.*@(?P<node>[\w-]+)", "write: on {node}"),
    (r"^(?P<address>\d+(?:\.\d+){3}(?::|\s+)\d+)/(?:tcp|udp|sctp)\b", _endpoint),
    (
        r"^(?P<address>\d+(?:\.\d+){3}):(?P<name>[a-z]\w*)",
        lambda m: f"a port is a number: {m['address']}:{_PORTS.get(m['name'], 80)}",
    ),
    (
        r"^endpoints\s+\$(?P<name>[\w.-]+)",
        "a pool is called by its name, endpoints {name}; a let stands in a block: endpoints {{ ${name} }}",
    ),
    (r"^endpoints\s+\[\s*\]?$", "endpoints stand in a block: endpoints {{ }}"),
    # ports
    (r"^port\s+(?:[a-z]\S*\s+)?(?P<first>\d+)/(?P<protocol>\w+)[\s,]+(?P<second>\d+)/(?P<other>\w+)$", _each),
    (r"(?P<port>\d+)/(?P<protocol>tcp|udp|sctp)\s*->\s*:(?P<target>\d+)", lambda m: f"write: {_port(m)}"),
    (r"^port\s+(?:\S+\s+)?:(?P<port>\d+)", "a port names its protocol: {port}/tcp"),
    (
        r"^port\s+(?:\d+(?:\.\d+){3}|\[\S+\]):(?P<port>\d+(?:/\w+)?)",
        "addresses stand in `vip` and `external-ip`: port {port}",
    ),
    (r'^port\s+"(?P<port>\d\S*/\w+)"', "without quotes: {port}"),
    (
        r"^port\s+(?:--)?dports?\s+(?P<port>\d+)|^port\s+--\w+\s+(?P<other>\d+)",
        lambda m: f"write: port {m['port'] or m['other']}/tcp",
    ),
    (r"^port\s+port=\"?(?P<port>\d+)\"?\s+protocol=\"?(?P<protocol>\w+)", "write: port {port}/{protocol}"),
    (r"\bnodeport\s+(?P<port>\d+)/\w+", "the protocol is the port's own: nodeport {port}"),
    (r"\bnodeport(?:\s+(?:auto|any|yes|true|random))?\s*$", "svcc chooses no numbers: nodeport 30080"),
    (r"^nodeports\s+(?P<first>\d+)\s*[, ]\s*(?P<last>\d+)(?P<rest>)$", _range),
    # checks
    (
        r"^check\s+https?://[^/\s]*?(?::(?P<port>\d+))?(?P<path>/\S*)?$",
        lambda m: f"endpoints are asked each: check http {m['port'] or 80} {m['path'] or '/'}",
    ),
    (r"^check\s+(?P<path>/\S*)", "write how it is asked: check http {path}"),
    (r"^check\s+(?P<port>\d+)$", "write how it is asked: check tcp {port}"),
    (r"^check\s+every\s+(?P<time>\S+)", "write how it is asked: check tcp every {time}"),
    (r"^check\s+(?P<kind>\w+)\s+:(?P<port>\d+)", "write: check {kind} {port}"),
    (r"^check\s+(?P<kind>https?)\s+(?P<port>\d+)(?P<path>/\S*)", "write: check {kind} {port} {path}"),
    (r"^check\s+(?P<kind>\w+)\s+port\s+(?P<port>\d+)(?P<rest>.*)", "write: check {kind} {port}{rest}"),
    (r"^check\s+(?P<kind>https?)\s+(?:\d+\s+)?(?:path|url|uri)\s+(?P<path>/\S*)", "write: check {kind} {path}"),
    (r"^check\s.*/\S*\s+(?:(?:status|code)\s+)?(?P<status>[1-5]\d\d)$", "the word is `expect`: expect {status}"),
    (
        r"^check\s+(?P<kind>\w+)\s+(?:\d+\s+)?(?P<time>\d+(?:ms|s|m))\b",
        "the word is `every`: check {kind} every {time}",
    ),
    (r"\b(?:every|timeout)\s+(?P<number>\d+)\s+(?P<unit>[smhd])[a-z]*", "no blank before the unit: {number}{unit}"),
    # other slips
    (r"^affinity\s+(?P<time>\d+[smhd])\s+client-ip", "write: affinity client-ip {time}"),
    (r"^scheduler\s+(?P<name>sh|mh)\s+(?:sh-|mh-|with-)?ports?$", "write: scheduler {name} by address-port"),
    (r"^scheduler\s+random\s+two\b", "write: scheduler twos"),
    (r"^svcc\s+v?(?P<number>\d+)(?:\.\S*)?$", "write: svcc {number}"),
    (r"^include\s+<(?P<path>[^>\n]+)>?", 'write the path in quotes: include "{path}"'),
    (
        r'^include\s+"(?P<first>[^"]*)"\s*,?\s*"(?P<second>[^"]*)"',
        'one statement for each file: include "{first}"; include "{second}"',
    ),
    (
        r"^let\s+(?P<name>\w+)\s*=\s*(?P<first>[\w.:/$]+)\s*[, ]\s*(?P<rest>[\w.:/$, ]+)$",
        _list,
    ),
    (
        r'^let\s+\w+\s*=\s*(?:\[[^\]]*?)?(?:\d+(?:/\w+)?(?![\d.:/])|"[^".:\n]*").*',
        "a let holds addresses and networks: let office = [10.0.0.0/8]",
    ),
    (
        r"^(?P<block>service|node|endpoints|balancer)\s+(?P<name>[^\s\[{{=]+)\s*(?:=|\[)\s*$",
        "a block stands in braces: {block} {name} {{ … }}",
    ),
    (
        r"^(?P<block>service|node|endpoints|balancer)\s+name\s*[=:]?\s*[\"']?(?P<name>[\w-]+)",
        "the name stands alone before the `{{`: {block} {name} {{ … }}",
    ),
    (r"^(?P<block>service|node|balancer)$", "the name stands before the `{{`: {block} web {{ … }}"),
    (r"^port\s+(?:\S+\s+)?(?:\*|any|all)(?:/\S*)?$", "a port is a number or a range of numbers: port 1-65535/tcp"),
    (r"^port\s+(?:\S+\s+)?(?P<port>\d+)/\*", "one statement for each protocol: port {port}/tcp"),
    (
        r"[a-z]+://(?P<host>\[?[\w.:]+[\]\w]).*",
        "an endpoint is an address, and how it is spoken to is not said: {host}",
    ),
    (rf"(?<![\w.])(?P<first>{_PLACE})\.\.(?P<last>{_PLACE})(?P<rest>/\w+)?(?![\w.])", _range),
    (r"^nodeports\s+(?P<first>\d+):(?P<last>\d+)(?P<rest>)", _range),
    (
        rf"^(?!(?i:{_KEYWORDS})\b)\$?(?P<name>[A-Za-z]\w*)\s*:?=\s*(?P<rest>[\[(\"' ]*(?:[\d$]|[\da-fA-F]*:).*)",
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
    (r"^(?:vip|external-ip)\s+(?:any|all|none|auto|dhcp|\*)$", "svcc serves addresses that it knows: write them"),
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
    (
        r"^affinity\s+client-ip\s+(?P<number>\d+)\s*(?P<unit>[smhd])[a-z]*\b.*",
        "no blank before the unit: {number}{unit}",
    ),
    (r"\b(?:client-ip|every|timeout)\s+(?P<number>\d+)$", "a time has a unit, s, m, h or d: {number}s"),
    (
        r"^check\s+(?P<kind>\w+)\s+(?:\d+\s+)?(?:inter|interval)\s+(?P<time>\S+)",
        "the word is `every`: check {kind} every {time}",
    ),
    (
        r"^check\s+(?P<kind>https?)\s+(?:GET|HEAD|OPTIONS)\s+(?P<path>\S+)",
        "a check asks by GET alone: check {kind} {path}",
    ),
    (r"^mark\s+(?P<mark>0x[0-9a-fA-F]+|\d+)/\S+", "the mark is its own mask: mark {mark}"),
    (r"(?://|/\*|\*/|--|!).*", "a comment begins with `#`"),
    (r"^- ?.*", "a list has no `-`: each value stands for itself"),
    (r"^include\s+['“”‘’]?(?P<path>[^\s\"'“”‘’;]+)['“”‘’]?", 'write the path in quotes: include "{path}"'),
    (r"^let\s+(?P<name>[\w.-]+)\s+(?P<rest>[^\s=].*)", "a let has a `=`: let {name} = {rest}"),
    (r"(?<!\S)\d+(?:\.\d+){3}-\d+(?:\.\d+){0,3}", "only `vip` and `external-ip` take ranges of addresses"),
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
    (r"(?<!let )\b(?P<word>[\w-]+)\s*=\s*[\"']?(?P<value>[\w./:-]*)", _without_equals),
    (r"[“”‘’'](?P<word>[^“”‘’']*)[“”‘’']?", "quotes are straight and double, and only around names and paths: {word}"),
    (r"\S*[→⇒➜]\S*", "write the arrow as `->`"),
    (r"\S*[–—−]\S*", "write a plain `-`"),
)

#: Characters that are hard to see, or that an editor inserts.
SIGNS = {
    "\xa0": "that is a no-break space: write a plain blank",
    "\u3000": "that is a wide blank: write a plain blank",
    "\ufeff": "that is a byte order mark, which may stand at the beginning of a file only: remove it",
    "\u200b": "that is a blank without width: remove it",
    "\r": "that is a carriage return without a line feed: end lines with LF or CRLF",
}


def foreign_statement(statement: str) -> str | None:
    """Return what to say about a statement that is a line of another tool's. Return None for any other."""
    found = ((shape.pattern.search(statement), shape.hint) for shape in _STATEMENTS)
    return next((_hint_text(hint, match) for match, hint in found if match is not None), None)


def foreign_shape(statement: str, at: int) -> str | None:
    """Return what to say about a statement in which the character ``at`` is wrong.

    Return None where no table has it.
    """
    for shape in _SHAPES:
        for found in shape.pattern.finditer(statement):
            if found.start() <= at <= found.end() and found.group() and (said := _hint_text(shape.hint, found)):
                return said
    return None


def _hint_text(hint: Hint, found: re.Match[str]) -> str | None:
    return hint(found) if callable(hint) else hint.format_map(found.groupdict())


def foreign_path(path: str) -> str | None:
    """Return what to say about the path of an include that only a shell or a browser would follow.

    Return None for any other.
    """
    if "://" in path:
        return "svcc fetches nothing: a file of this machine is included"
    if path.startswith("~") or "$" in path:
        return "a path stands for itself: `~` and `$` have no meaning in it"
    return None


def quotable(word: str) -> bool:
    """Whether a word would be a name if it were quoted."""
    return QUOTED.fullmatch(word) is not None


def hidden(text: str) -> Iterator[str]:
    """Yield hints about characters of a text that are hard to see."""
    return (hint for sign, hint in SIGNS.items() if sign in text)

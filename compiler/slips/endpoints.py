"""Slips in `endpoints`, and in the lines of its block: an address, a weight, a state, a node."""

from __future__ import annotations

import re

from svcc.compiler.slips.ports import NUMBERS
from svcc.compiler.slips.slip import slips


def _pool(found: re.Match[str]) -> str:
    members = "; ".join(re.split(r"[,;]?\s+", found["rest"].replace('"', "").strip()))
    return f"write: endpoints {found['name']} {{ {members} }}"


def _members(found: re.Match[str]) -> str:
    members = "; ".join(re.split(r"\s*[,;]\s*|\s+(?=[\d\[])", found["rest"].replace('"', "").strip()))
    return f"endpoints stand in a block: endpoints {{ {members} }}"


def _weight(found: re.Match[str]) -> str:
    """Return a hint with a share as a whole number: 50 for 50%. What a fraction is depends on the other weights."""
    number = float(found["number"])
    if number.is_integer():
        return f"weights are whole numbers that count beside each other: weight {round(number)}"
    return "weights are whole numbers that count beside each other: for 0.25 and 0.5 write 1 and 2"


def _share(found: re.Match[str]) -> str:
    return f"write: {found['address']} weight {found['one'] or found['two'] or found['three']}"


def _endpoint(found: re.Match[str]) -> str:
    address = re.sub(r"\s+", ":", found["address"])
    return f"the protocol is that of the service's port: {address}"


#: Statements that begin with `endpoints` or with an address.
SLIPS = slips(
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
    (
        r"^(?P<first>\d+(?:\.\d+){3}(?::\d+)?|\[\S+\]:\d+)\s+(?P<second>\d+(?:\.\d+){3}(?::\d+)?|\[\S+\]:\d+)",
        "each endpoint stands in a line of its own, or behind a `;`: {first}; {second}",
    ),
    (
        r"^(?P<flag>backup|draining)\s+(?P<address>\d+(?:\.\d+){3}(?::\d+)?|\[\S+\]:\d+)",
        "the word follows the address, in `endpoints {{ … }}`: {address} {flag}",
    ),
    (r"^(?P<address>\S+)\s+(?P<word>draining|backup)\s+(?:true|yes|on|1)$", "write: {address} {word}"),
    (r"^[\d\[]\S*\s.*weight\s+(?P<number>\d*\.?\d+)%?$", _weight),
    (r"^[\d\[]\S*\s.*weight\s+-\d+", "a weight is 0 to 65535"),
    (r"^[\d\[]\S*\s.*@(?P<node>[\w-]+)", "write: on {node}"),
    (r"^(?P<address>\d+(?:\.\d+){3}(?::|\s+)\d+)/(?:tcp|udp|sctp)\b", _endpoint),
    (
        r"^(?P<address>\d+(?:\.\d+){3}):(?P<name>[a-z]\w*)",
        lambda m: f"a port is a number: {m['address']}:{NUMBERS.get(m['name'], 80)}",
    ),
    (
        r"^endpoints\s+\$(?P<name>[\w.-]+)",
        "a pool is called by its name, endpoints {name}; a let stands in a block: endpoints {{ ${name} }}",
    ),
    (r"^\[(?P<address>[\da-fA-F:]+)\](?P<port>\d+)", "write: [{address}]:{port}"),
    (r"^\[(?P<address>[\da-fA-F:]+)\]:$", "write: {address}, or with a port: [{address}]:8080"),
    (r"^(?P<address>\[[\da-fA-F:]+)%[^\]\s]*(?P<rest>\]\S*)", "an address has no zone behind it: {address}{rest}"),
    (r"^endpoints\s+\[\s*\]?$", "endpoints stand in a block: endpoints {{ }}"),
    (
        r"[a-z]+://(?P<host>\[?[\w.:]+[\]\w]).*",
        "an endpoint is an address, and how it is spoken to is not said: {host}",
    ),
    (
        r"^endpoints\s+(?P<name>\w+)\s*[=:]\s*\[?(?P<rest>[^\]]*)\]?",
        _pool,
    ),
    (r"^\[?[\da-fA-F]*[.:][^,]*,.*", "one endpoint a line, or `;` between them, and no commas"),
    (r"^endpoints\s*[=:]?\s*\[?\s*(?P<rest>\"?\d+(?:\.\d+){3}[^\]]*)\]?$", _members),
    (r"^\d+(?:\.\d+){3}$", "say what the address is: address, vip or external-ip, or a line in `endpoints {{ … }}`"),
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
    (r"(?<!\S)\d+(?:\.\d+){3}-\d+(?:\.\d+){0,3}", "only `vip`, `external-ip` and `snat` take ranges of addresses"),
)

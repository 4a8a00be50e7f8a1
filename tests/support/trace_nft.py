"""For the tests of the tracer: commands of libnftables documents in a word, and a table `t` with two chains."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from support.trace_nodes import document, ends, node

TO = "198.19.0.1:80/tcp"
DADDR: Any = {"payload": {"protocol": "ip", "field": "daddr"}}
SADDR: Any = {"payload": {"protocol": "ip", "field": "saddr"}}
L4PROTO: Any = {"meta": {"key": "l4proto"}}
DPORT: Any = {"payload": {"protocol": "th", "field": "dport"}}
MARK: Any = {"meta": {"key": "mark"}}
KEY: Any = {"concat": [DADDR, L4PROTO, DPORT]}
KEY_TYPE = ["ipv4_addr", "inet_proto", "inet_service"]
DROP: Any = {"drop": None}
ACCEPT: Any = {"accept": None}


def add(kind: str, family: str = "ip", **fields: Any) -> dict[str, Any]:
    place = {} if kind == "table" else {"table": "t"}
    return {"add": {kind: {"family": family, **place, **fields}}}


def base(name: str, type: str, hook: str, priority: int, family: str = "ip", **fields: Any) -> dict[str, Any]:
    return add("chain", family, name=name, type=type, hook=hook, prio=priority, **fields)


def rule(chain: str, *statements: Any, family: str = "ip") -> dict[str, Any]:
    return add("rule", family, chain=chain, expr=list(statements))


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def goto(chain: str) -> dict[str, Any]:
    return {"goto": {"target": chain}}


def jump(chain: str) -> dict[str, Any]:
    return {"jump": {"target": chain}}


#: The table, with its chain `f`, where packets come before addresses are translated, and its chain `n`, where they are.
TABLE = add("table", name="t")
FILTER = base("f", "filter", "prerouting", -150)
NAT = base("n", "nat", "prerouting", -100)
HEAD = (TABLE, FILTER, NAT)


def ends_of(*commands: dict[str, Any], to: str = TO, source: str | None = None) -> dict[str, Fraction]:
    """Return where a packet may end that walks through the table with these commands, as :func:`ends` does."""
    return ends(node(nft=document(*HEAD, *commands)), to, source)


def drops(*statements: Any, to: str = TO, source: str | None = None, more: tuple[dict[str, Any], ...] = ()) -> bool:
    """Whether a packet is dropped by a rule with these statements, in front of `drop`; ``more``: further commands."""
    return "drop" in ends_of(*more, rule("f", *statements, DROP), to=to, source=source)

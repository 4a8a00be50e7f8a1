"""The rules of a table in libnftables' JSON (libnftables-json(5)), as far as they ask what is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from svcc.apply.firewall.rules import Condition, Item, Kind, Rule, Rules

_ENDS = {"accept": Kind.ACCEPT, "drop": Kind.DROP, "reject": Kind.DROP, "return": Kind.RETURN}
_LEADS = {"jump": Kind.JUMP, "goto": Kind.GOTO}
_PORTS = {"dport": "port", "sport": "source_port"}
_ADDRESSES = {"daddr": "destination", "saddr": "source"}
_META = {"l4proto": "protocol", "nfproto": "version"}
#: Statements that change nothing about which way a packet goes.
_GOES_ON = ("counter", "log", "mangle", "ct helper", "notrack", "set", "comment")
_VERSIONS = {"ipv4": 4, "ipv6": 6}


def read(listed: Iterable[Mapping[str, Any]]) -> Rules:
    """The chains' rules, of the items of one table's listing."""
    found: dict[str, list[Rule]] = {}
    for item in listed:
        rule = item.get("rule")
        if rule is not None:
            found.setdefault(rule["chain"], []).extend(_rules(rule))

    def rules(chain: str) -> Sequence[Rule]:
        return found.get(chain, ())

    return rules


def _rules(rule: Mapping[str, Any]) -> Iterator[Rule]:
    conditions: list[Condition] = []
    place = str(rule["handle"])
    for statement in rule["expr"]:
        name, value = _statement(statement)
        if name == "match":
            conditions += _matches(value)
        elif name == "vmap":
            yield from _vmap(value, conditions, place)
            return
        elif name in _ENDS:
            yield Rule(tuple(conditions), _ENDS[name], "", place)
            return
        elif name in _LEADS:
            yield Rule(tuple(conditions), _LEADS[name], value["target"], place)
            return
        elif name not in _GOES_ON:
            conditions.append(Condition())


def _statement(statement: Any) -> tuple[str, Any]:
    """Its name and what it says; some are a name alone."""
    if isinstance(statement, dict):
        ((name, value),) = statement.items()
        return name, value
    return str(statement), None


def _vmap(value: Mapping[str, Any], conditions: Sequence[Condition], place: str) -> Iterator[Rule]:
    """A rule for each element. Of a map that has a name elements are not looked up."""
    data = value["data"]
    if not isinstance(data, dict):
        return
    for key, verdict in data.get("set", ()):
        key = key["elem"]["val"] if isinstance(key, dict) and "elem" in key else key
        ((name, target),) = verdict.items()
        kind = _ENDS.get(name) or _LEADS.get(name, Kind.NOTHING)
        chain = target["target"] if kind in (Kind.JUMP, Kind.GOTO) else ""
        yield Rule((*conditions, *_field(value["key"], key, negated=False)), kind, chain, place)


def _matches(value: Mapping[str, Any]) -> list[Condition]:
    if value["op"] not in ("==", "!=", "in"):
        return [Condition()]
    return _field(value["left"], value["right"], negated=value["op"] == "!=")


def _field(left: Any, right: Any, *, negated: bool) -> list[Condition]:
    if not isinstance(left, dict):
        return [Condition()]
    ((name, asked),) = left.items()
    if name == "payload" and "field" in asked:
        return _payload(asked["protocol"], asked["field"], right, negated)
    if name == "meta" and asked["key"] in _META:
        return [Condition(_META[asked["key"]], _among(right), negated)]
    if name == "ct" and asked["key"] in ("state", "status"):
        return [Condition(asked["key"], _among(right), negated)]
    return [Condition()]


def _payload(protocol: str, field: str, right: Any, negated: bool) -> list[Condition]:
    """A field of a header, which only packets of that protocol have."""
    if field in _PORTS:
        own = [] if protocol == "th" else [Condition("protocol", (protocol,))]
        return [*own, Condition(_PORTS[field], _among(right), negated)]
    if protocol in ("ip", "ip6"):
        own = [Condition("version", (4 if protocol == "ip" else 6,))]
        if field in _ADDRESSES:
            return [*own, Condition(_ADDRESSES[field], _among(right), negated)]
        return [
            *own,
            Condition("protocol", _among(right), negated) if field in ("protocol", "nexthdr") else Condition(),
        ]
    if protocol in ("icmp", "icmpv6"):
        return [Condition("protocol", (protocol,))]
    return [Condition()]


def _among(right: Any) -> tuple[Item, ...] | None:
    """The values of an anonymous set, or the one value; None: a set that has a name."""
    if isinstance(right, dict) and "set" in right:
        right = right["set"]
    found = [_item(one) for one in (right if isinstance(right, list) else [right])]
    return None if any(one is None for one in found) else tuple(one for one in found if one is not None)


def _item(value: Any) -> Item | None:
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        return _word(value)
    if isinstance(value, dict) and "elem" in value:
        return _item(value["elem"]["val"])
    if isinstance(value, dict) and "prefix" in value:
        return ip_network((value["prefix"]["addr"], value["prefix"]["len"]), strict=False)
    if isinstance(value, dict) and "range" in value and all(isinstance(one, int) for one in value["range"]):
        first, last = value["range"]
        return range(first, last + 1)
    return None


def _word(text: str) -> Item | None:
    if text.startswith("@"):
        return None
    if text in _VERSIONS:
        return _VERSIONS[text]
    try:
        return ip_address(text)
    except ValueError:
        return text

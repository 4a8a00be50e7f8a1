"""Read the rules of a table in libnftables' JSON (libnftables-json(5)). A match on what is not known of a packet
becomes a condition that may hold or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network

from svcc.apply.firewall.rules import Condition, Item, Kind, Rule, Rules
from svcc.kernel.json_values import Json, items, members, string

_ENDS = {"accept": Kind.ACCEPT, "drop": Kind.DROP, "reject": Kind.DROP, "return": Kind.RETURN}
_LEADS = {"jump": Kind.JUMP, "goto": Kind.GOTO}
_PORTS = {"dport": "port", "sport": "source_port"}
_ADDRESSES = {"daddr": "destination", "saddr": "source"}
_META = {"l4proto": "protocol", "nfproto": "version"}
#: Statements that do not decide where a packet goes.
_GOES_ON = ("counter", "log", "mangle", "ct helper", "set", "comment")
_VERSIONS = {"ipv4": 4, "ipv6": 6}


def read(listed: Iterable[Json]) -> Rules:
    """Return the rules of each chain from the items of one table's listing.

    Errors: KeyError, TypeError, ValueError where the items are no such listing.
    """
    found: dict[str, list[Rule]] = {}
    for item in listed:
        rule = members(item).get("rule")
        if rule is not None:
            found.setdefault(string(members(rule)["chain"]), []).extend(_rules(members(rule)))

    def rules(chain: str) -> Sequence[Rule]:
        return found.get(chain, ())

    return rules


def _rules(rule: Mapping[str, Json]) -> Iterator[Rule]:
    conditions: list[Condition] = []
    place = str(rule["handle"])
    for statement in items(rule["expr"]):
        name, value = _statement(statement)
        if name == "match":
            conditions += _matches(members(value))
        elif name == "vmap":
            yield from _vmap(members(value), conditions, place)
            return
        elif name in _ENDS:
            yield Rule(tuple(conditions), _ENDS[name], "", place)
            return
        elif name in _LEADS:
            yield Rule(tuple(conditions), _LEADS[name], string(members(value)["target"]), place)
            return
        elif name == "notrack":
            yield Rule(tuple(conditions), Kind.UNTRACK, "", place)
        elif name not in _GOES_ON:
            conditions.append(Condition())


def _statement(statement: Json) -> tuple[str, Json]:
    """Return the name and the content of a statement. Some are a name alone: their content is None."""
    return _only(statement) if isinstance(statement, dict) else (str(statement), None)


def _only(value: Json) -> tuple[str, Json]:
    """Return the name and the value of an object's only member."""
    ((name, inner),) = members(value).items()
    return name, inner


def _vmap(value: Mapping[str, Json], conditions: Sequence[Condition], place: str) -> Iterator[Rule]:
    """Yield a rule for each element of a verdict map. A named map gives none, as its elements are not looked up."""
    data = value["data"]
    if not isinstance(data, dict):
        return
    for key, verdict in map(items, items(data.get("set", ()))):
        name, target = _only(verdict)
        kind = _ENDS.get(name) or _LEADS.get(name, Kind.NOTHING)
        chain = string(members(target)["target"]) if kind in (Kind.JUMP, Kind.GOTO) else ""
        yield Rule((*conditions, *_field(value["key"], _unwrapped(key), negated=False)), kind, chain, place)


def _unwrapped(element: Json) -> Json:
    """Return an element's value without the attributes that it may have, as its comment or its timeout."""
    if isinstance(element, dict) and "elem" in element:
        return members(element["elem"])["val"]
    return element


def _matches(value: Mapping[str, Json]) -> list[Condition]:
    if value["op"] not in ("==", "!=", "in"):
        return [Condition()]
    return _field(value["left"], value["right"], negated=value["op"] == "!=")


def _field(left: Json, right: Json, *, negated: bool) -> list[Condition]:
    match left:
        case {"payload": {"protocol": str(protocol), "field": str(field)}}:
            return _payload(protocol, field, right, negated)
        case {"meta": {"key": str(key)}} if key in _META:
            return [Condition(_META[key], _among(right), negated)]
        case {"ct": {"key": "state" | "status" as key}}:
            return [Condition(str(key), _among(right), negated)]
    return [Condition()]


def _payload(protocol: str, field: str, right: Json, negated: bool) -> list[Condition]:
    """Return the conditions of a match on a header's field. Only packets of that protocol have it, which is a condition
    of its own."""
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


def _among(right: Json) -> tuple[Item, ...] | None:
    """Return the values of an anonymous set, or the one value; None for a named set, or where a value cannot be
    read."""
    if isinstance(right, dict) and "set" in right:
        right = right["set"]
    found = [_item(one) for one in (right if isinstance(right, list) else [right])]
    return None if any(one is None for one in found) else tuple(one for one in found if one is not None)


def _item(listed: Json) -> Item | None:
    match _unwrapped(listed):
        case int(number):
            return number
        case str(word):
            return _word(word)
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return ip_network((address, length), strict=False)
        case {"range": [int(first), int(last)]}:
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

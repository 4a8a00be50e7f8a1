"""Read the rules of a table in libnftables' JSON (libnftables-json(5)). A match on what is not known of a packet
becomes a condition that may hold or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import TypeAlias

from svcc.apply.firewall.rules import ANY, Condition, Item, Joint, Kind, Pool, Rule, Rules, Span
from svcc.kernel.addresses import Address
from svcc.kernel.json_values import Json, items, members, string

#: A function that returns the elements of a "set" or a "map" of a name; None where they cannot be read.
Elements: TypeAlias = Callable[[str, str], Sequence[Json] | None]

_ENDS = {"accept": Kind.ACCEPT, "drop": Kind.DROP, "reject": Kind.DROP, "return": Kind.RETURN}
_TRANSLATES = ("dnat", "redirect")
_LEADS = {"jump": Kind.JUMP, "goto": Kind.GOTO}
_PORTS = {"dport": "port", "sport": "source_port"}
_ADDRESSES = {"daddr": "destination", "saddr": "source"}
_META = {"l4proto": "protocol", "nfproto": "version", "protocol": "version"}
#: Statements that do not decide where a packet goes.
_GOES_ON = ("counter", "log", "mangle", "ct helper", "ct timeout", "ct expectation", "set", "comment", "last", "dup")
_VERSIONS = {"ipv4": 4, "ipv6": 6, "ip": 4, "ip6": 6}
#: The protocols that nft gives as numbers where it has no /etc/protocols.
_PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}
_LAST_PORT = 65535
#: Of how many elements a verdict map or a set of concatenations may be, as they are looked at one by one. What is in
#: larger ones is not known.
_LOOKED_AT = 1000


def _none(_kind: str, _name: str) -> None:
    return None


def read(listed: Iterable[Json], elements: Elements = _none, of_iptables: Rules | None = None) -> Rules:
    """Return the rules of each chain from the items of one table's listing.

    ``elements``: of the table's sets and maps. ``of_iptables``: the rules of each chain as iptables prints them, where
    the table is of iptables. They are taken where nft has no words for a rule, and places are numbers of rules then.
    Errors: KeyError, TypeError, ValueError where the items are no such listing.
    """
    found: dict[str, list[Mapping[str, Json]]] = {}
    for item in listed:
        rule = members(item).get("rule")
        if rule is not None:
            found.setdefault(string(members(rule)["chain"]), []).append(members(rule))
    read = {chain: [*_chain(rules, elements, of_iptables)] for chain, rules in found.items()}

    def rules(chain: str) -> Sequence[Rule]:
        return read.get(chain, ())

    return rules


def _chain(rules: Iterable[Mapping[str, Json]], elements: Elements, of_iptables: Rules | None) -> Iterator[Rule]:
    for number, rule in enumerate(rules):
        if of_iptables is None:
            yield from _rules(rule, str(rule["handle"]), elements)
        elif has_extension(rule):
            yield from of_iptables(string(rule["chain"]))[number : number + 1]
        else:
            yield from _rules(rule, str(number + 1), elements)


def has_extension(rule: Mapping[str, Json]) -> bool:
    """Whether a rule has a match or a target of iptables' that nft has no words for."""
    return any(isinstance(one, dict) and "xt" in one for one in items(rule["expr"]))


def _rules(rule: Mapping[str, Json], place: str, elements: Elements) -> Iterator[Rule]:
    conditions: list[Condition | Joint] = []
    for statement in items(rule["expr"]):
        name, value = _statement(statement)
        if name == "match":
            conditions += _matches(members(value), elements)
        elif name == "vmap":
            yield from _vmap(members(value), conditions, place, elements)
            return
        elif name in _ENDS:
            yield Rule(tuple(conditions), _ENDS[name], "", place)
            return
        elif name in _TRANSLATES:
            if isinstance(value, dict) and any(isinstance(one, dict) for one in value.values()):
                conditions.append(Condition())  # by a map, which may not have the packet
            yield Rule(tuple(conditions), Kind.TRANSLATE, "", place)
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


def _vmap(
    value: Mapping[str, Json], conditions: Sequence[Condition | Joint], place: str, elements: Elements
) -> Iterator[Rule]:
    """Yield a rule for each element of a verdict map; of one that is not looked at, a rule that may accept."""
    data = value["data"]
    listed = items(members(data).get("set", ())) if isinstance(data, dict) else elements("map", string(data)[1:])
    if listed is None or len(listed) > _LOOKED_AT:
        yield Rule((*conditions, *_field(value["key"], "@", _none, negated=False)), Kind.ACCEPT, "", place)
        return
    pairs = [(_unwrapped(key), verdict) for key, verdict in map(items, listed)]
    keys: Json = {"set": [key for key, _ in pairs if key != ANY]}
    for key, verdict in pairs:
        name, target = _statement(verdict)
        kind = _ENDS.get(name) or _LEADS.get(name, Kind.NOTHING)
        chain = string(members(target)["target"]) if kind in (Kind.JUMP, Kind.GOTO) else ""
        other = key == ANY  # it is for what no other element is for
        asked = _field(value["key"], keys if other else key, elements, negated=other)
        yield Rule((*conditions, *asked), kind, chain, place)


def _unwrapped(element: Json) -> Json:
    """Return an element's value without the attributes that it may have, as its comment or its timeout."""
    if isinstance(element, dict) and "elem" in element:
        return members(element["elem"])["val"]
    return element


def _matches(value: Mapping[str, Json], elements: Elements) -> Sequence[Condition | Joint]:
    op, left, right = value["op"], value["left"], value["right"]
    if op in ("<", "<=", ">", ">="):
        own, field = _asked(left)
        return [*own, _ordered(string(op), field, right)]
    return _field(left, right, elements, negated=op == "!=")


def _ordered(op: str, field: str, right: Json) -> Condition:
    bound = _item(field, right)
    if not isinstance(bound, int | Address):
        return Condition(field)
    lowest, highest = (0, _LAST_PORT) if isinstance(bound, int) else (type(bound)(0), _greatest(bound))
    span = Span(bound, highest) if op in (">=", "<") else Span(lowest, bound)
    return Condition(field, (span,), negated=op in ("<", ">"))


def _greatest(alike: Address) -> Address:
    return type(alike)(2**alike.max_prefixlen - 1)


def _field(left: Json, right: Json, elements: Elements, *, negated: bool) -> list[Condition | Joint]:
    """Return the conditions of a match: that a packet has the field at all, and that its value is among those of
    ``right``."""
    if isinstance(left, dict) and "concat" in left:
        asked = [_asked(one) for one in items(left["concat"])]
        own = [condition for conditions, _ in asked for condition in conditions]
        joint = _joint([field for _, field in asked], right, elements, negated)
        return [*dict.fromkeys(own), joint]
    conditions, field = _asked(left)
    if isinstance(left, dict) and "&" in left:
        return [*conditions, Condition(field)]  # of a field with a mask
    if field and isinstance(right, str) and right.startswith("@"):
        return [*conditions, Condition(field, Pool(lambda: _items(field, elements("set", right[1:]))), negated)]
    return [*conditions, Condition(field, _items(field, _values(right)), negated)]


def _joint(fields: Sequence[str], right: Json, elements: Elements, negated: bool) -> Condition | Joint:
    if not any(fields):
        return Condition()
    named = isinstance(right, str) and right.startswith("@")
    listed = elements("set", string(right)[1:]) if named else _values(right)
    if listed is None or len(listed) > _LOOKED_AT:
        named_first = (*_ADDRESSES.values(), *_PORTS.values())  # that the rule names one of these is known all the same
        return Condition(next((field for field in fields if field in named_first), ""), None, negated)
    return Joint(tuple(_element(fields, _unwrapped(one)) for one in listed), negated)


def _element(fields: Sequence[str], value: Json) -> tuple[Condition, ...]:
    """Return the conditions of a set's element; none for the one that holds whatever the others do not."""
    if value == ANY:
        return ()
    parts = items(members(value)["concat"])
    return tuple(Condition(field, _items(field, [part])) for field, part in zip(fields, parts, strict=True))


def _asked(left: Json) -> tuple[list[Condition], str]:
    """Return the conditions that a packet has what a match asks for, and the name of that field of Packet; "" for what
    is not known."""
    match left:
        case {"payload": {"protocol": str(protocol), "field": str(field)}}:
            return _payload(protocol, field)
        case {"meta": {"key": str(key)}} if key in _META:
            return [], _META[key]
        case {"ct": {"key": "state" | "status" | "direction" as key}}:
            return [], str(key)
        case {"&": [inner, *_]}:
            return _asked(inner)
    return [], ""


def _payload(protocol: str, field: str) -> tuple[list[Condition], str]:
    """As `_asked`, of a header's field. Only packets of that protocol have it."""
    if protocol in ("ip", "ip6"):
        own = [Condition("version", (4 if protocol == "ip" else 6,))]
        return own, "protocol" if field in ("protocol", "nexthdr") else _ADDRESSES.get(field, "")
    if protocol == "th":
        return [], _PORTS.get(field, "")
    if protocol in ("tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmpv6"):
        return [Condition("protocol", (protocol,))], _PORTS.get(field, "")
    return [], ""


def _values(right: Json) -> Sequence[Json]:
    """Return the values of an anonymous set, or of a list, or the one value."""
    if isinstance(right, dict) and "set" in right:
        right = right["set"]
    return right if isinstance(right, list) else [right]


def _items(field: str, listed: Sequence[Json] | None) -> tuple[Item, ...] | None:
    """Return the values of a field; None where one cannot be read."""
    found = None if listed is None else [_item(field, _unwrapped(one)) for one in listed]
    return (
        None if found is None or any(one is None for one in found) else tuple(one for one in found if one is not None)
    )


def _item(field: str, value: Json) -> Item | None:
    match value:
        case int(number):
            return _PROTOCOLS.get(number, number) if field == "protocol" else number
        case str(word):
            return _word(field, word)
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return ip_network((address, length), strict=False)
        case {"range": [first, last]}:
            lowest, highest = _item(field, first), _item(field, last)
            if isinstance(lowest, int | Address) and isinstance(highest, int | Address):
                return Span(lowest, highest)
    return None


def _word(field: str, text: str) -> Item | None:
    if text.startswith("@"):
        return None
    if field == "version":
        return _VERSIONS.get(text, text)
    try:
        return ip_address(text)
    except ValueError:
        return text

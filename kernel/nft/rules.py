"""Read rules and declarations from JSON, from our documents and from listings of all releases of nft alike.

All get the form that our documents have, which loads everywhere. nft 1.0.6 to 1.1.7, with ``-n``, list them in other
forms:

- numbers for words (``ct state in 8``), and ``numgen``, ``jhash`` with an offset that is 0;
- ``ct status & dnat == 0`` as ``ct status ! dnat``, ``tcp flags & 6 == 0`` as ``tcp flags ! [2, 4]``;
- ``meta mark & 0x80000000 == 0x80000000``, whose mask is a prefix, as a prefix: ``meta mark 0x80000000/1``;
- the addresses of ``snat``, where they go from the first of a network to its last, as a network;
- a single flag as a word (1.0.6, 1.1.3) or as a list of one (1.1.7);
- the elements of an anonymous set in another order;
- no ``meta l4proto tcp`` before ``reject with tcp reset`` or ``tcp dport``. The kernel has it in any case: nft adds it
  where a rule lacks it, and leaves it out in listings. Here it is put in again before a reset.

The counts of ``counter`` and ``quota`` statements change by themselves, and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_network
from json import dumps

from svcc.kernel.json_values import Json, integer, items, members, optional, parsed, string
from svcc.kernel.nft.elements import PROTOCOLS
from svcc.kernel.nft.expressions import Meta, Word
from svcc.kernel.nft.parsing import NotRead, statement
from svcc.kernel.nft.state import Chain, Declaration, Hook, text
from svcc.kernel.nft.statements import Comment, Foreign, Match, Reject, Rule, Statement

#: The words in our rules for numbers, by the expression that they are compared with
#: (linux/netfilter/nf_conntrack_common.h, linux/rtnetlink.h).
_WORDS: Mapping[str, Mapping[int, str]] = {
    '{"ct": {"key": "state"}}': {1: "invalid", 8: "new"},
    '{"ct": {"key": "status"}}': {32: "dnat"},
    '{"fib": {"flags": ["daddr"], "result": "type"}}': {2: "local"},
    '{"meta": {"key": "l4proto"}}': PROTOCOLS,
}
#: The words for the codes of ICMP (RFC 792) and ICMPv6 (RFC 4443) that our rules reject with.
_CODES: Mapping[str, Mapping[int, str]] = {"icmp": {3: "port-unreachable"}, "icmpv6": {4: "port-unreachable"}}

_ALL_BITS = 0xFFFF_FFFF  # of a mark

#: Fields that svcc gives to no object, and that make an object another one where somebody gave it them. All other
#: fields of a listing, handles and counts, say nothing about that.
_CHAIN = ("dev", "comment")
_HOOK = ("type", "hook", "prio", "policy")
_SET = ("timeout", "gc-interval", "policy", "auto-merge", "stmt", "comment")

_TCP = Match(Meta("l4proto"), Word("tcp"))
_RESET = Reject("tcp reset")


def rule(given: Json) -> Rule:
    """Return a rule: the statements of its ``expr``, and the comment that somebody may have given it."""
    fields = members(given)
    comment = [Comment(string(fields["comment"]))] if "comment" in fields else []
    return (*_with_protocol(items(fields["expr"])), *comment)


def _with_protocol(statements: Iterable[Json]) -> Iterator[Statement]:
    before: Statement | None = None
    for made in map(_statement, map(dumps, statements)):
        if made == _RESET and before != _TCP:
            yield _TCP
        yield made
        before = made


@lru_cache(maxsize=4096)
def _statement(listed: str) -> Statement:
    """Return the statement of a JSON text. Results are kept, because rules are made of few different statements."""
    canonical = _canonical(parsed(listed))
    try:
        return statement(canonical)
    except NotRead:
        return Foreign(text(canonical))


def chain(given: Json, rules: Iterable[Rule]) -> Chain:
    """Return a chain from its declaration and its rules."""
    fields = members(given)
    match fields:
        case {"type": str(type), "hook": str(name), "prio": int(priority)}:
            hook = Hook(type, name, priority, string(fields.get("policy", "accept")))
            return Chain(tuple(rules), hook, _kept(fields, _CHAIN))
    return Chain(tuple(rules), None, _kept(fields, (*_HOOK, *_CHAIN)))


def table_text(fields: Mapping[str, Json]) -> str:
    """Return a table's flags and comment, as JSON text. nft 1.0.6 lists the flag ``dormant`` as ``ipv4_addr``, which
    has the same number."""
    flags = ["dormant" if flag == "ipv4_addr" else flag for flag in listed(fields.get("flags"))]
    return _kept({**fields, "flags": sorted(map(str, flags))}, ("comment", *(["flags"] if flags else []))) or "{}"


def declaration(given: Json) -> Declaration:
    """Return the declaration of a set or map."""
    fields = members(given)
    flags = {string(flag) for flag in listed(fields.get("flags")) if flag != "dynamic"}
    data = fields.get("map")
    odd = {name: fields[name] for name in _SET if name in fields}
    if others := sorted(flags - {"interval", "timeout"}):
        odd["flags"] = others
    if data is not None and not isinstance(data, str):
        odd["map"], data = data, ""
    types = types_of(fields)
    if listed(fields.get("type")) != [*types]:
        odd["type"] = fields.get("type")
    interval, timeout = "interval" in flags, "timeout" in flags
    return Declaration(types, data, interval, timeout, optional(integer, fields.get("size")), text(odd) if odd else "")


def types_of(fields: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the types of the parts of a set's keys."""
    types = fields.get("type", ())
    return (types,) if isinstance(types, str) else tuple(map(str, items(types)))


def _kept(fields: Mapping[str, Json], names: Iterable[str]) -> str:
    kept = {name: fields[name] for name in names if name in fields}
    return text(kept) if kept else ""


def listed(flags: Json) -> list[Json]:
    """Return flags as a list, whether they are given as a list, as a word or not at all."""
    return flags if isinstance(flags, list) else [] if flags is None else [flags]


def _canonical(node: Json) -> Json:
    if isinstance(node, list):
        return [_canonical(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    fields = {name: _canonical(inner) for name, inner in node.items()}
    return {name: _FORMS[name](inner) if name in _FORMS else inner for name, inner in fields.items()}


def _match(given: Json) -> Json:
    fields = members(given)
    left, right, op = fields.get("left"), fields.get("right"), fields.get("op")
    words = _WORDS.get(text(left), {})
    match right:
        case int():
            right = words.get(right, right)
        case {"set": [*inner]}:
            right = {"set": [words.get(one, one) if isinstance(one, int) else one for one in inner]}
        case {"prefix": {"addr": int(address), "len": int(length)}}:
            left, right = {"&": [left, _ALL_BITS ^ _ALL_BITS >> length]}, address
    if op == "!":
        bits = sum(map(integer, right)) if isinstance(right, list) else right
        left, right, op = {"&": [left, bits]}, 0, "=="
    return {"left": left, "op": op, "right": right}


def _without_offset(fields: Json) -> Json:
    return {name: value for name, value in members(fields).items() if (name, value) != ("offset", 0)}


def _nat(fields: Json) -> Json:
    flags = listed(fields.get("flags")) if isinstance(fields, dict) else []
    return {**members(fields), "flags": flags[0]} if len(flags) == 1 else fields


def _snat(given: Json) -> Json:
    """Return the fields of an snat statement, with a range for its addresses: nft lists a range that is a network as a
    network."""
    fields = _nat(given)
    match fields:
        case {"addr": {"prefix": {"addr": str(addr), "len": int(length)}}}:
            network = ip_network((addr, length))
            return {**members(fields), "addr": {"range": [str(network[0]), str(network[-1])]}}
    return fields


def _fib(fields: Json) -> Json:
    return {**members(fields), "flags": listed(members(fields).get("flags"))}


def _reject(fields: Json) -> Json:
    match fields:
        case {"type": str(kind), "expr": int(code)}:
            return {**members(fields), "expr": _CODES.get(kind, {}).get(code, code)}
    return fields


def _anonymous(members: Json) -> Json:
    return sorted(members, key=_by_number) if isinstance(members, list) else members


#: The numbers of the protocols in our anonymous sets (protocols(5)).
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}


def _by_number(member: Json) -> tuple[int, str]:
    """Return the sort key of a set's member, by which numbers, ranges and protocols are sorted by value. Our documents
    have that order, and the kernel lists them in it."""
    key = member[0] if isinstance(member, list) and member else member
    first = items(key["range"])[0] if isinstance(key, dict) and "range" in key else key
    first = _PROTOCOLS.get(first, first) if isinstance(first, str) else first
    return (first, "") if isinstance(first, int) else (-1, text(key))


_FORMS: Mapping[str, Callable[[Json], Json]] = {
    "match": _match,
    "numgen": _without_offset,
    "jhash": _without_offset,
    "symhash": _without_offset,
    "masquerade": _nat,
    "dnat": _nat,
    "snat": _snat,
    "redirect": _nat,
    "fib": _fib,
    "reject": _reject,
    "set": _anonymous,
    "counter": lambda fields: None if isinstance(fields, dict) else fields,
    "quota": lambda fields: {k: v for k, v in fields.items() if k != "used"} if isinstance(fields, dict) else fields,
}

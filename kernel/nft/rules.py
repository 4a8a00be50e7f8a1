"""Rules and declarations out of JSON: what our documents say and what the releases of nft list is the same here.

The form is the document's, so that it loads everywhere. nft 1.0.6 to 1.1.7, with ``-n``, list it otherwise thus:

- numbers for words (``ct state in 8``), and ``numgen``, ``jhash`` with an offset that is 0;
- ``ct status & dnat == 0`` as ``ct status ! dnat``, ``tcp flags & 6 == 0`` as ``tcp flags ! [2, 4]``;
- ``meta mark & 0x80000000 == 0x80000000``, whose mask is a prefix, as one: ``meta mark 0x80000000/1``;
- addresses that ``snat`` takes, from a network's first to its last, as a network;
- a single flag as a word (1.0.6, 1.1.3) or as a list of one (1.1.7);
- the elements of an anonymous set in an order of their own;
- no ``meta l4proto tcp`` before ``reject with tcp reset`` or ``tcp dport``. In the kernel it is there in either case:
  nft adds it where it lacks, and leaves it out when it lists. It is put in again here before a reset.

The counts of ``counter`` and ``quota`` statements change by themselves, and are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_network
from json import dumps, loads
from typing import Any

from svcc.kernel.nft.elements import PROTOCOLS
from svcc.kernel.nft.expressions import Meta, Word
from svcc.kernel.nft.parsing import NotRead, statement
from svcc.kernel.nft.state import Chain, Declaration, Hook, text
from svcc.kernel.nft.statements import Comment, Foreign, Match, Reject, Rule, Statement

#: Numbers of linux/netfilter/nf_conntrack_common.h and linux/rtnetlink.h, for words in our rules.
_WORDS: dict[str, dict[Any, str]] = {
    '{"ct": {"key": "state"}}': {1: "invalid", 8: "new"},
    '{"ct": {"key": "status"}}': {32: "dnat"},
    '{"fib": {"flags": ["daddr"], "result": "type"}}': {2: "local"},
    '{"meta": {"key": "l4proto"}}': PROTOCOLS,
}
#: Codes of ICMP (RFC 792) and ICMPv6 (RFC 4443) that our rules answer with.
_CODES: dict[str, dict[Any, str]] = {"icmp": {3: "port-unreachable"}, "icmpv6": {4: "port-unreachable"}}

_ALL_BITS = 0xFFFF_FFFF  # of a mark

#: What makes an object what it is, besides what svcc gives it. All else that a listing has, handles and counts, is for
#: reading.
_CHAIN = ("dev", "comment")
_HOOK = ("type", "hook", "prio", "policy")
_SET = ("timeout", "gc-interval", "policy", "auto-merge", "stmt", "comment")

_TCP = Match(Meta("l4proto"), Word("tcp"))
_RESET = Reject("tcp reset")


def rule(fields: Any) -> Rule:
    """A rule out of its ``expr``, and the comment that somebody may have given it."""
    return (*_with_protocol(fields["expr"]), *([Comment(fields["comment"])] if "comment" in fields else []))


def _with_protocol(statements: Iterable[Any]) -> Iterator[Statement]:
    before: Statement | None = None
    for made in map(_statement, map(dumps, statements)):
        if made == _RESET and before != _TCP:
            yield _TCP
        yield made
        before = made


@lru_cache(maxsize=4096)
def _statement(listed: str) -> Statement:
    """Out of JSON text: rules consist of few different ones."""
    canonical = _canonical(loads(listed))
    try:
        return statement(canonical)
    except NotRead:
        return Foreign(text(canonical))


def chain(fields: Any, rules: Iterable[Rule]) -> Chain:
    """A chain out of its declaration."""
    match fields:
        case {"type": str(type), "hook": str(name), "prio": int(priority)}:
            hook = Hook(type, name, priority, fields.get("policy", "accept"))
            return Chain(tuple(rules), hook, _kept(fields, _CHAIN))
    return Chain(tuple(rules), None, _kept(fields, (*_HOOK, *_CHAIN)))


def table_text(fields: Any) -> str:
    """A table's flags and comment. nft 1.0.6 lists its flag ``dormant`` as ``ipv4_addr``, of the same number."""
    flags = ["dormant" if flag == "ipv4_addr" else flag for flag in listed(fields.get("flags"))]
    return _kept(fields | {"flags": sorted(map(str, flags))}, ("comment", *(["flags"] if flags else []))) or "{}"


def declaration(fields: Any) -> Declaration:
    """What a set or map is."""
    flags = {flag for flag in listed(fields.get("flags")) if flag != "dynamic"}
    data, size = fields.get("map"), fields.get("size")
    odd = {name: fields[name] for name in _SET if name in fields}
    if others := sorted(flags - {"interval", "timeout"}):
        odd["flags"] = others
    if data is not None and not isinstance(data, str):
        odd["map"], data = data, ""
    types = types_of(fields)
    if listed(fields.get("type")) != [*types]:
        odd["type"] = fields.get("type")
    return Declaration(types, data, "interval" in flags, "timeout" in flags, size, text(odd) if odd else "")


def types_of(fields: Any) -> tuple[str, ...]:
    """The types of a key's parts."""
    types = fields.get("type", ())
    return (types,) if isinstance(types, str) else tuple(map(str, types))


def _kept(fields: Any, names: Iterable[str]) -> str:
    kept = {name: fields[name] for name in names if name in fields}
    return text(kept) if kept else ""


def listed(flags: Any) -> list[Any]:
    """Flags as a list, whichever way they are given."""
    return flags if isinstance(flags, list) else [] if flags is None else [flags]


def _canonical(node: Any) -> Any:
    if isinstance(node, list):
        return [_canonical(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    fields = {name: _canonical(inner) for name, inner in node.items()}
    for name, inner in fields.items():
        if name in _FORMS:
            fields[name] = _FORMS[name](inner)
    return fields


def _match(fields: Any) -> Any:
    left, right, op = fields.get("left"), fields.get("right"), fields.get("op")
    words = _WORDS.get(text(left), {})
    if isinstance(right, dict) and isinstance(right.get("set"), list):
        right = {"set": [words.get(one, one) if isinstance(one, int) else one for one in right["set"]]}
    right = words.get(right, right) if isinstance(right, int) else right
    if isinstance(right, dict) and isinstance(right.get("prefix", {}).get("addr"), int):
        addr, length = right["prefix"]["addr"], right["prefix"]["len"]
        left, right = {"&": [left, _ALL_BITS ^ _ALL_BITS >> length]}, addr
    if op == "!":
        left, right, op = {"&": [left, sum(right) if isinstance(right, list) else right]}, 0, "=="
    return {"left": left, "op": op, "right": right}


def _without_offset(fields: Any) -> Any:
    return {name: value for name, value in fields.items() if (name, value) != ("offset", 0)}


def _nat(fields: Any) -> Any:
    flags = listed(fields.get("flags")) if isinstance(fields, dict) else []
    return fields | {"flags": flags[0]} if len(flags) == 1 else fields


def _snat(fields: Any) -> Any:
    """A range that is a network is listed as one."""
    fields = _nat(fields)
    match fields:
        case {"addr": {"prefix": {"addr": str(addr), "len": int(length)}}}:
            network = ip_network((addr, length))
            return fields | {"addr": {"range": [str(network[0]), str(network[-1])]}}
    return fields


def _fib(fields: Any) -> Any:
    return fields | {"flags": listed(fields.get("flags"))}


def _reject(fields: Any) -> Any:
    if not isinstance(fields, dict) or "expr" not in fields:
        return fields
    codes = _CODES.get(fields.get("type", ""), {})
    return fields | {"expr": codes.get(fields["expr"], fields["expr"])}


def _anonymous(members: Any) -> Any:
    return sorted(members, key=_by_number) if isinstance(members, list) else members


#: Of protocols that an anonymous set of ours has (protocols(5)).
_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}


def _by_number(member: Any) -> tuple[int, str]:
    """Numbers, ranges and protocols by value: the order that our documents have, and in which the kernel lists them."""
    key = member[0] if isinstance(member, list) and member else member
    first = key["range"][0] if isinstance(key, dict) and "range" in key else key
    first = _PROTOCOLS.get(first, first) if isinstance(first, str) else first
    return (first, "") if isinstance(first, int) else (-1, text(key))


_FORMS: Mapping[str, Callable[[Any], Any]] = {
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

"""Turns statements into the words in which :mod:`svcc.targets.nft.shapes` writes rules."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from svcc.kernel.addresses import text_of
from svcc.kernel.nft.expressions import (
    And,
    Concat,
    Conntrack,
    DestinationType,
    Expression,
    Jhash,
    Lookup,
    Meta,
    Named,
    Numgen,
    OneOf,
    Or,
    Original,
    Payload,
    Range,
    Word,
)
from svcc.kernel.nft.parsing import NotRead
from svcc.kernel.nft.statements import (
    Dnat,
    Drop,
    Goto,
    Jump,
    Masquerade,
    Match,
    Reject,
    Remember,
    SetMark,
    Snat,
    Statement,
    VerdictMap,
)
from svcc.targets.nft.choice import SEED, source_and_port
from svcc.targets.nft.keys import Key
from svcc.targets.nft.sources import SnatRange

if TYPE_CHECKING:
    from svcc.targets.nft.read_checks import TableCheck

_OPERATORS = {"==": "=", "!=": "!=", "in": "~"}
_ALL = 0xFFFF_FFFF
#: The most seconds of affinity.
_LONGEST = 86_400
_MARK = Meta("mark")


def words(made: Statement, table: TableCheck, chain: str) -> str:
    """Return the words of a statement of ``chain``.

    Errors: NotRead, where no rule of the target has such a statement.
    """
    match made:
        case Match(left, right, op):
            return _match(left, right, op, table)
        case Goto():
            return f"goto:{table.lead(chain, made)}"
        case Jump():
            return f"jump:{table.lead(chain, made)}"
        case Drop():
            return "drop"
        case Masquerade():
            return "masquerade"
        case Reject() if made == table.family.unreachable:
            return "reject:unreachable"
        case Reject("tcp reset", None):
            return "reject:tcp reset"
        case SetMark(Or(left, Word(int(bit)))) if left == _MARK:
            table.mark(bit)
            return "set-mark:on"
        case SetMark(And(left, Word(int(bits)))) if left == _MARK:
            table.mark(_ALL ^ bits)
            return "set-mark:off"
        case Remember(key, named, int(seconds)) if 0 < seconds <= _LONGEST:
            _look_up(key, named, "affinity", table)
            return "remember"
        case Dnat(Lookup(key, named), port):
            _look_up(key, named, "endpoint", table)
            _port(key, port, table)
            return "dnat"
        case Snat(first, last) if _are_sources(table, chain, first, last):
            return "snat"
        case VerdictMap(key, Named() as named) if opened := table.originals(key):
            return _to_sources(opened, named, table)
        case VerdictMap(key, Named() as named):
            _look_up(key, named, "services", table)
            found = table.key(key)
            assert found is not None
            return "vmap:nodeport" if found.nodeport else "vmap:service"
        case VerdictMap(number, tuple(runs)):
            return _choose(number, runs, table, chain)
    raise NotRead("no rule of the target has this statement")


def _are_sources(table: TableCheck, chain: str, first: str, last: str) -> bool:
    """Whether these are a range of the family's addresses, as the target writes it, and the chain has its name."""
    try:
        ends = [ip_address(first), ip_address(last)]
    except ValueError:
        return False
    own = all(end.version == table.family.version for end in ends) and [*map(text_of, ends)] == [first, last]
    return own and int(ends[0]) <= int(ends[1]) and SnatRange(first, last).name == chain


def _to_sources(keys: list[Key], named: Named, table: TableCheck) -> str:
    table.kind_of_set(named)
    for key in keys:
        if key.sources.name == named.name:
            return "vmap:nodeport-source" if key.nodeport else "vmap:source"
    raise NotRead(f"the target looks up no original destination in {named.name}")


def _look_up(key: Expression, named: Named, kind: str, table: TableCheck) -> None:
    """Check that the set is of that kind, and is looked up with that key. Errors: NotRead."""
    declared = table.declaration(named)
    if kind == "affinity" and named.name.startswith("service-affinity-") and table.is_client(key):
        return
    if table.kind_of_set(named) == kind:
        own = table.key(key)
        for one in table.clients(key) if kind == "affinity" else [own] if own else []:
            asked = one.affinity(0, "") if kind == "affinity" else one.services
            called_so = named.name.startswith(one.prefix) or named.name == one.services.name
            if called_so and asked.declaration.types == declared.types:
                return
    raise NotRead(f"the target does not look up this key in {named.name}")


def _match(left: Expression, right: Expression, op: str, table: TableCheck) -> str:
    sign = _OPERATORS.get(op)
    if sign is None:
        raise NotRead(f"no rule of the target compares by {op!r}")
    if isinstance(right, Named):
        kind = table.kind_of_set(right)
        if table.clients(left) and kind == "affinity":
            _look_up(left, right, kind, table)
            return f"client{sign}@{kind}"
        if (key := table.key(left)) and kind not in ("addresses", "target-ports"):
            _look_up(left, right, kind, table)
            return f"{'nodeport-' * key.nodeport}key{sign}@{kind}"
        if left == Concat((table.family.source, table.family.source)):
            return f"source{sign}@{kind}"
        if left == Concat((table.family.source, table.family.destination)):
            return f"hairpin{sign}@{kind}"
        return f"{_say(left, table)}{sign}@{kind}"
    if right == table.family.loopback:
        return f"{_say(left, table)}{sign}loopback"
    if isinstance(left, And) and left.left == _MARK and left.right == right and isinstance(right, Word):
        table.mark(right.value if isinstance(right.value, int) else 0)
        return "marked"
    if isinstance(left, Numgen) and not (isinstance(right, Word) and right.value in range(left.modulus)):
        raise NotRead("a turn has to be less than the modulus of its numgen")
    return f"{_say(left, table)}{sign}{_say(right, table)}"


def _say(expression: Expression, table: TableCheck) -> str:
    match expression:
        case Word(value):
            return str(value)
        case Payload(protocol, field):
            return field if protocol == table.family.table else f"{protocol}-{field}"
        case Meta(key):
            return key
        case Conntrack(key):
            return f"ct-{key}"
        case DestinationType():
            return "fib"
        case Original() if expression == Original(f"{table.family.table} daddr"):
            return "opened-to"
        case OneOf(values):
            return "{" + " ".join(_say(value, table) for value in values) + "}"
        case And(left, right):
            return f"({_say(left, table)} & {_say(right, table)})"
        case Concat(parts):
            return "(" + " . ".join(_say(part, table) for part in parts) + ")"
        case Numgen("inc", int(modulus)) if modulus > 1:
            return "turn"
    raise NotRead("no rule of the target asks for this")


def _port(key: Expression, port: Expression | None, table: TableCheck) -> None:
    own = table.key(key)
    match port:
        case None:
            return
        case Word(int(number)) if 0 < number < 1 << 16 and not (own and own.ranges):
            return
        case Lookup(asked, Named() as named) if own and asked == own.port and table.kind_of_set(named) == "ports":
            return
    raise NotRead("the endpoint's port is a number, or for a range its map gives it")


def _choose(number: Expression, runs: tuple[tuple[Expression, Statement], ...], table: TableCheck, chain: str) -> str:
    """Return the words of a choice by number, whose runs have to cover all numbers below its modulus."""
    source = table.family.source
    match number:
        case Numgen("random" | "inc", int(modulus)):
            pass
        case Jhash(value, int(modulus), int(seed)) if seed == SEED and value in (source, source_and_port(source)):
            pass
        case _:
            raise NotRead("no rule of the target draws such a number")
    following = 0
    for value, verdict in runs:
        first, last = (value.first, value.last) if isinstance(value, Range) else (getattr(value, "value", -1),) * 2
        if first != following or not isinstance(last, int) or last < first or not isinstance(verdict, Goto):
            raise NotRead("the numbers of a choice lead somewhere one after the other")
        if table.lead(chain, verdict) != "landing":
            raise NotRead("a choice leads to endpoints")
        following = last + 1
    if following != modulus or len(runs) < 2:
        raise NotRead("every number of a choice leads somewhere")
    return "choose"

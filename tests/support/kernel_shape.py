"""The shape of a loaded node, for comparison: two nodes of one shape treat every packet alike."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeAlias

from svcc.compiler import ir
from svcc.verify.trace import ArtifactLine, Kernel, bpf
from svcc.verify.trace.chains import Chain, Rule, Verdict
from svcc.verify.trace.flow import Flow
from svcc.verify.trace.host import Host
from svcc.verify.trace.ipset import IpSet
from svcc.verify.trace.ipvs import Ipvs, VirtualService
from svcc.verify.trace.kernel import Base
from svcc.verify.trace.nft_sets import NamedSet
from svcc.verify.trace.nft_statements import Counter, FixedVerdict, Match, NftRule
from svcc.verify.trace.nft_types import Type
from svcc.verify.trace.xt_matches import Always, Bytecode, Cluster, Not, Nth, Random, Recent
from svcc.verify.trace.xt_matches import Match as XtMatch
from svcc.verify.trace.xt_rule import XtRule

#: Fields that no packet can tell: how a thing was written, and how many more elements would fit.
_UNSEEN: Mapping[type, frozenset[str]] = {
    XtRule: frozenset({"text"}),
    IpSet: frozenset({"room"}),
    NamedSet: frozenset({"size"}),
}
#: Conditions that always hold, and statements that only count.
_IDLE = (Always, Counter)
#: Conditions that change their own state when they are asked.
_DRAWING = (Cluster, Nth, Random, Recent)

_Known: TypeAlias = dict[int, tuple[Any, Hashable]]
#: A table of a family, and a chain in it.
ChainName: TypeAlias = tuple[Hashable, str]


@dataclass(frozen=True, slots=True)
class RuleShape:
    """The shape of a rule. ``condition`` decides whether it has an ``effect``; ``pure``: asking it changes no state."""

    condition: Hashable
    effect: Hashable
    pure: bool


@dataclass(frozen=True)
class Shape:
    """The shape of a node: equal for nodes with the same things in the same order, wherever these were read."""

    host: Hashable
    bases: tuple[Hashable, ...]
    chains: Mapping[ChainName, tuple[RuleShape, ...]]
    services: Mapping[Hashable, Hashable]  # of IPVS


def shape(kernel: Kernel) -> Shape:
    known: _Known = {}
    chains = {n: tuple(_rule_shape(rule, known) for rule in chain.rules) for n, chain in chains_of(kernel).items()}
    bases = tuple((_table(b), b.hook, b.priority, b.kind, b.versions, b.policy, b.chain.name) for b in kernel.bases)
    balancer = kernel.balancer
    services: dict[Hashable, Hashable] = {}
    if isinstance(balancer, Ipvs):
        services |= {key: _service_shape(service, known) for key, service in balancer.services.items()}
    return Shape(_host_shape(kernel.host, known), bases, chains, services)


def _host_shape(host: Host, known: _Known) -> Hashable:
    """Of its settings, what comes of them."""
    decided = host.forwards(4), host.forwards(6), host.setting("net.ipv4.vs.conntrack") in (None, "0")
    return decided, _shape((host.own, host.networks), known), frozenset(host.addresses)


def _service_shape(service: VirtualService, known: _Known) -> Hashable:
    """Of its scheduler and the weights, the shares that come of them, and who has none."""
    shares = tuple((service.servers.index(server), share) for server, share in service.shares())
    servers = tuple(_shape(replace(server, weight=int(server.weight > 0)), known) for server in service.servers)
    kept = service.persistence, service.prefix, service.one_packet
    return service.draw, shares, servers, kept


def chains_of(kernel: Kernel) -> dict[ChainName, Chain]:
    """Return the chains that packets may reach."""
    found: dict[ChainName, Chain] = {}
    todo = [(base, base.chain) for base in kernel.bases]
    while todo:
        base, chain = todo.pop()
        name = (_table(base), chain.name)
        if name not in found:
            found[name] = chain
            todo += [(base, base.chains[other]) for rule in chain.rules for other in rule.calls()]
    return found


def _table(base: Base) -> Hashable:
    """Return what identifies a table: its families, and the names of its chains."""
    return base.versions, frozenset(base.chains)


def _rule_shape(rule: Rule, known: _Known) -> RuleShape:
    if isinstance(rule, XtRule):
        pure = not any(isinstance(inner_of(match), _DRAWING) for match in rule.matches)
        return RuleShape(_shape(rule.matches, known), _shape(rule.target, known), pure)
    assert isinstance(rule, NftRule)
    *conditions, last = rule.statements or (Counter(),)
    asks = isinstance(last, FixedVerdict) and all(isinstance(statement, (Match, Counter)) for statement in conditions)
    where = _shape(tuple(conditions), known), (asks or _shape(last, known))
    return RuleShape(where, _shape(last, known), asks)


def inner_of(match: XtMatch) -> XtMatch:
    return match.inner if isinstance(match, Not) else match


def _shape(value: Any, known: _Known) -> Hashable:
    """Return the shape of a value. ``known`` holds shapes by identity, with their values, so that no other value gets
    the same identity."""
    if isinstance(value, (str, int, type(None))):
        return value
    if isinstance(value, Type):
        return value.name
    if id(value) not in known:
        known[id(value)] = value, _parts(value, known)
    return known[id(value)][1]


def _parts(value: Any, known: _Known) -> Hashable:
    if isinstance(value, Mapping):
        return frozenset((_shape(k, known), _shape(v, known)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_shape(inner, known) for inner in value if not isinstance(inner, _IDLE))
    if isinstance(value, Bytecode):
        return tuple(map(_instruction, value.program))
    if is_dataclass(value):
        return type(value).__name__, tuple(_shape(inner, known) for inner in _seen(value))
    hashable: Hashable = value
    return hashable


def _instruction(instruction: bpf.Instruction) -> bpf.Instruction:
    """Return an instruction without the fields that it does not use; of a result only whether it is 0 (xt_bpf.c)."""
    code, jt, jf, k = instruction
    if code & 7 == _JUMP:
        return code, jt, jf, 0 if code & 8 else k
    if code & 7 == _MISCELLANEOUS:
        k = 0
    return code, 0, 0, int(k != 0) if code == _RETURN_K else k


_JUMP, _MISCELLANEOUS, _RETURN_K = 5, 7, 6


def _seen(value: Any) -> Iterator[Any]:
    """Yield the fields that packets can tell. Functions and private fields are made from the other fields."""
    unseen = _UNSEEN.get(type(value), frozenset())
    for field in fields(value):
        if field.name != "place" and field.name[0] != "_" and field.name not in unseen:
            inner = getattr(value, field.name)
            if not callable(inner):
                yield inner


# ---- which packets can tell two nodes apart


@dataclass(frozen=True, slots=True)
class Met:
    """A rule that a packet met: the rule looked at it, or (``matched``) had an effect on it."""

    place: ArtifactLine
    matched: bool


@dataclass(frozen=True, slots=True)
class _Watched:
    """A rule that records who met it."""

    rule: Rule
    looked: Met
    matched: Met
    met: dict[int, Met]  # by identity, which is cheaper than a hash

    @property
    def place(self) -> ArtifactLine:
        return self.rule.place

    def apply(self, flow: Flow) -> Verdict:
        steps = len(flow.steps)
        verdict = self.rule.apply(flow)
        self.met[id(self.looked)] = self.looked
        if len(flow.steps) > steps:
            self.met[id(self.matched)] = self.matched
        return verdict

    def calls(self) -> Iterable[str]:
        return self.rule.calls()


def watch(kernel: Kernel) -> dict[int, Met]:
    """Have a node record the rules that packets meet, each once."""
    met: dict[int, Met] = {}
    for chain in chains_of(kernel).values():
        chain.rules[:] = [
            _Watched(rule, Met(rule.place, matched=False), Met(rule.place, matched=True), met) for rule in chain.rules
        ]
    return met


def tellers(kernel: Kernel, before: Shape, after: Shape) -> set[Met | ir.Address] | None:
    """Return what a packet must have met before, or have as destination, to fare differently after. None where any
    packet may.

    ``kernel`` is the node of the shape ``before``.
    """
    if (before.host, before.bases) != (after.host, after.bases):
        return None
    found: set[Met | ir.Address] = set()
    for name, chain in chains_of(kernel).items():
        one, other = before.chains[name], after.chains.get(name)
        if other is not None and one != other:
            if not one:
                return None
            found |= {Met(chain.rules[index].place, matched) for index, matched in _first_difference(one, other)}
    for key in before.services.keys() | after.services.keys():
        if before.services.get(key) != after.services.get(key):
            assert isinstance(key, tuple)
            if len(key) == 2:  # a mark
                return None
            found.add(key[1])
    return found


def _first_difference(before: Sequence[RuleShape], after: Sequence[RuleShape]) -> list[tuple[int, bool]]:
    """Return the rules of which a packet met one, if it came to where two chains differ; True where it matched that."""
    both = min(len(before), len(after))
    first = next((i for i in range(both) if before[i] != after[i]), both)
    if before[first + 1 :] == after[first + 1 :] and before[first:] and after[first:]:
        one, other = before[first], after[first]
        return [(first, one.condition == other.condition)]
    swapped = before[first : first + 2] == after[first : first + 2][::-1]
    if swapped and before[first + 2 :] == after[first + 2 :] and all(rule.pure for rule in before[first : first + 2]):
        return [(first, True), (first + 1, True)]
    return [(min(first, len(before) - 1), False)]

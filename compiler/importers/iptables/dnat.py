"""Makes services of rules that somebody wrote by hand: each front with its choice of endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from svcc.compiler import ir
from svcc.compiler.importers.interface import Note
from svcc.compiler.importers.iptables.choices import Choice, Front, Leaf, NotRead, Reader, weights
from svcc.compiler.importers.iptables.rules import Rule
from svcc.compiler.importers.names import Names
from svcc.compiler.source import Span

#: Endpoints with port (None: it is not changed) and weight.
_Pool: TypeAlias = tuple[tuple[ir.Address, int | None, int], ...]


@dataclass(slots=True)
class _Port:
    """What becomes one port of a service: fronts whose rules lead to the same endpoints in the same way."""

    front: Front  # the first front
    rule: Rule  # the first of its rules
    choice: Choice
    pool: _Pool
    places: dict[ir.Address, Span] = field(default_factory=dict)  # the places of its addresses
    node_ports: ir.PortRange | None = None

    def leads_as(self, other: _Port) -> bool:
        mine, others = self.choice, other.choice
        return (self.front.protocol, self.pool, mine.modes, mine.affinity) == (
            *(other.front.protocol, other.pool),
            *(others.modes, others.affinity),
        )

    @property
    def service(self) -> object:
        """What ports have to have in common to be in one service."""
        hosts = tuple((address, weight) for address, _, weight in self.pool)
        alike = len({port for _, port, _ in self.pool}) == 1
        alone = None if alike and self.places else (self.front, self.node_ports)
        return tuple(self.places), hosts, alone, frozenset(self.choice.modes), self.choice.affinity


def services(
    reader: Reader, fronts: Mapping[Front, Sequence[Rule]], names: Names, notes: list[Note]
) -> Iterator[ir.Service]:
    """Make services of fronts. Their addresses are ``shared``, because the rules take only declared ports, whoever has
    the address.

    ``masquerade never``, because a DNAT rule changes no client's address.
    """
    found: list[_Port] = []
    for front, rules in sorted(fronts.items(), key=lambda item: item[0].address is None):
        port = _port_of(reader, front, rules, notes)
        if port is not None and not _joins(found, port):
            found.append(port)
    groups: dict[object, list[_Port]] = {}
    for port in found:
        groups.setdefault(port.service, []).append(port)
    for group in groups.values():
        yield _service(group, names)


def _port_of(reader: Reader, front: Front, rules: Sequence[Rule], notes: list[Note]) -> _Port | None:
    try:
        choice = reader.choice(front, rules, rules[0].span)
        found = weights(choice)
        if found is None:
            raise NotRead(rules[0].span, "the shares of its endpoints are no whole numbers up to 1,000 in all")
    except NotRead as error:
        reader.read.add(error.span)
        notes.append(Note(error.span, error.reason))
        reason = "it belongs to a rule that was not carried over"
        notes += (Note(rule.span, reason) for rule in rules if rule.span != error.span)
        return None
    reader.take(rules)
    pool = tuple((leaf.address, leaf.port, weight) for leaf, weight in zip(choice.shares, found, strict=True))
    if front.address is None:
        return _Port(front, rules[0], choice, pool, node_ports=front.ports)
    return _Port(front, rules[0], choice, pool, {front.address: rules[0].span})


def _joins(found: Sequence[_Port], port: _Port) -> bool:
    """Add the front to a port that leads to the same endpoints, as a further address of its ports or as its node ports.
    Return False where neither is possible.
    """
    for other in found:
        if not other.leads_as(port):
            continue
        if port.places and other.places and other.front.ports == port.front.ports:
            other.places |= port.places
            return True
        if port.node_ports and other.node_ports is None and len(port.front.ports) == len(other.front.ports):
            other.node_ports = port.node_ports
            return True
    return False


def _service(group: Sequence[_Port], names: Names) -> ir.Service:
    first = group[0]
    addresses = tuple(first.places)
    usual = first.pool[0][1] or first.front.ports.first
    equal = len({weight for _, _, weight in first.pool}) == 1
    turns = "nth" in first.choice.modes
    alike = len({port for _, port, _ in first.pool}) == 1
    return ir.Service(
        names.fresh(_name(first)),
        vips=addresses,
        shared=addresses,
        ports=tuple(_port(port, named=len(group) > 1) for port in group),
        endpoints=tuple(
            ir.Endpoint(
                address,
                port=None if alike or (port or first.front.ports.first) == usual else port or first.front.ports.first,
                weight=1 if equal else weight,
                span=first.choice.spans[Leaf(address, port)],
            )
            for address, port, weight in first.pool
        ),
        scheduler=(ir.Scheduler.RR if equal else ir.Scheduler.WRR) if turns else None,
        affinity=first.choice.affinity,
        masquerade=ir.Masquerade.NEVER,
        span=first.rule.span,
        spans={f"vip {address}": span for address, span in first.places.items()},
    )


def _port(port: _Port, *, named: bool) -> ir.Port:
    protocol, ports = port.front.protocol, port.front.ports
    target = port.pool[0][1] or ports.first
    name = f"{protocol}-{ports}" if named else None
    return ir.Port(name, protocol, ports, target, port.node_ports, port.rule.span)


def _name(port: _Port) -> str:
    """Return the name that somebody gave the port, by a comment or by the name of a chain."""
    if port.rule.comment:
        return port.rule.comment
    if port.rule.target != "DNAT":
        return port.rule.target
    where = "node" if port.front.address is None else str(port.front.address).replace(":", "-")
    return f"{port.front.protocol}-{where}-{port.front.ports}"

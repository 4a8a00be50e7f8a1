"""Compiles one program for many nodes. What several nodes have in common is compiled once.

A bundle depends on its node in three ways: on the endpoints that are on the node or in its zone, where a service
prefers these; on its addresses, where a target uses them; and on its name, in the first line. Nodes that agree in the
first two have the same parts. From one such group of nodes to the next, only the services that may differ between them
are compiled again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.targets.interface import Bundle, Shared, Target, TargetByService

_NEAR = frozenset({ir.Traffic.LOCAL, ir.Traffic.PREFER_LOCAL, ir.Traffic.PREFER_ZONE})


@dataclass(frozen=True, slots=True)
class Alike:
    """Nodes whose bundles have the same parts. ``bundle``: that of the first node."""

    nodes: tuple[ir.Node, ...]
    bundle: Bundle


def for_nodes(program: ir.Program, target: Target, nodes: Sequence[ir.Node]) -> Iterator[Alike]:
    """Yield the bundles of some nodes of a program, each node once, the same as :meth:`Target.render` gives. Each
    bundle is made when the caller asks for it. The program has passed the capability check.
    """
    if isinstance(target, TargetByService):
        yield from _by_service(program, target, nodes)
    else:
        yield from (Alike((node,), target.render(program, node)) for node in nodes)


def _by_service(program: ir.Program, target: TargetByService, nodes: Sequence[ir.Node]) -> Iterator[Alike]:
    views = _Views(program, target)
    alike: dict[_View, list[ir.Node]] = {}
    for node in nodes:
        alike.setdefault(views.of(node), []).append(node)
    services = {service.name: service for service in program.services}
    assembly, last = None, None
    for view in sorted(alike, key=lambda view: view.zone or ""):  # nodes of one zone differ least
        some = alike[view]
        shared = Shared(program.cluster, some[0], program.nodes)
        if assembly is None or last is None:
            assembly = target.assembly(shared)
            assembly.update(services)
        else:
            assembly.move(shared, {name: services[name] for name in views.differing(last, view)})
        last = view
        yield Alike(tuple(some), assembly.bundle())


@dataclass(frozen=True, slots=True)
class _View:
    """What a bundle's parts depend on in their node.

    ``name``: the node's name, where services prefer endpoints on it; ``zone``: its zone, likewise; ``own``: what the
    output depends on in its addresses, for each service that uses them.
    """

    name: str | None
    zone: str | None
    own: tuple[Hashable, ...]


class _Views:
    """What the services of a program depend on in its nodes."""

    def __init__(self, program: ir.Program, target: TargetByService) -> None:
        self._cluster, self._target = program.cluster, target
        zones = {node.name: node.zone for node in program.nodes}
        #: Names of services, by the nodes and by the zones whose endpoints they prefer.
        self._by_node: dict[str, list[str]] = {}
        self._by_zone: dict[str, list[str]] = {}
        for service in program.services:
            policies = {service.external_traffic, service.internal_traffic}
            if policies & _NEAR:
                names = {endpoint.node for endpoint in service.endpoints if endpoint.node is not None}
                _add_service(self._by_node, names, service.name)
                if ir.Traffic.PREFER_ZONE in policies:
                    around = (zones.get(name) for name in names)
                    _add_service(self._by_zone, {zone for zone in around if zone is not None}, service.name)
        self._asking = [service for service in program.services if target.asks_for_addresses(service)]

    def of(self, node: ir.Node) -> _View:
        return _View(
            node.name if node.name in self._by_node else None,
            node.zone if node.zone in self._by_zone else None,
            tuple(self._target.at_addresses(self._cluster, one, node.addresses) for one in self._asking),
        )

    def differing(self, one: _View, other: _View) -> Iterable[str]:
        """Return the names of the services that may differ between two nodes."""
        found: dict[str, None] = {}
        for first, second, by in ((one.name, other.name, self._by_node), (one.zone, other.zone, self._by_zone)):
            if first != second:
                found |= dict.fromkeys(_services_at(by, first)) | dict.fromkeys(_services_at(by, second))
        for service, own, others in zip(self._asking, one.own, other.own, strict=True):
            if own != others:
                found[service.name] = None
        return found


def _add_service(by: dict[str, list[str]], places: Iterable[str], service: str) -> None:
    for place in places:
        by.setdefault(place, []).append(service)


def _services_at(by: Mapping[str, list[str]], place: str | None) -> list[str]:
    return [] if place is None else by.get(place, [])

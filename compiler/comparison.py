"""What changes between two programs, in the words of the language: services, addresses, ports, endpoints, settings.

All that a program says is compared, except the order of its services and nodes, which means nothing. It says nothing of
rules: what a change does to them is for the target to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from svcc.compiler import ir
from svcc.compiler.endpoint_changes import endpoint_changes
from svcc.compiler.printing import affinity_kind, balancer_statements, runs
from svcc.compiler.service_change import ServiceChange, What


class FrontendKey(NamedTuple):
    """Where clients connect to: a service's address (None: a node port), protocol and ports."""

    address: ir.Address | None
    protocol: ir.Protocol
    ports: ir.PortRange

    def __str__(self) -> str:
        if self.address is None:
            return f"node port {self.ports}/{self.protocol}"
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.ports}/{self.protocol}"


@dataclass(frozen=True, slots=True)
class ServiceChanges:
    """What changes in one service. ``service`` is its name after the change, or the name that a removed service had.

    ``remembering``: the service after the change, where it has affinity before and after.
    """

    service: str
    changes: tuple[ServiceChange, ...]
    remembering: ir.Service | None = field(default=None, compare=False, repr=False)

    @property
    def renamed(self) -> frozenset[What]:
        """Which names change: that of the service, or one of a port."""
        return frozenset(change.what for change in self.changes) & {What.SERVICE_RENAMED, What.PORT_RENAMED}


@dataclass(frozen=True, slots=True)
class TakenAway:
    """What clients lose by a change.

    ``services``: how many services are removed. ``endpoints``: how many endpoints are gone from the service and from
    those that take over its frontends; a draining endpoint is not gone. ``frontends``: those of which not every port is
    served afterwards.
    """

    services: int = 0
    endpoints: int = 0
    frontends: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs between two programs. ``services``: the services that change, by name. ``shared``: what changes in
    cluster, nodes and balancers.
    """

    services: tuple[ServiceChanges, ...] = ()
    shared: tuple[ServiceChange, ...] = ()
    taken: TakenAway = TakenAway()

    @property
    def empty(self) -> bool:
        """Whether two programs mean the same."""
        return not self.services and not self.shared

    def count(self, what: What) -> int:
        """Return how many services have a change of this kind."""
        return sum(any(change.what is what for change in one.changes) for one in self.services)


def compare(old: ir.Program, new: ir.Program) -> Comparison:
    """Compare two programs. Services that are the same in both may be left out of them."""
    before = {service.name: service for service in old.services}
    after = {service.name: service for service in new.services}
    same = {name for name in before.keys() & after.keys() if before[name] == after[name]}
    before = {name: service for name, service in before.items() if name not in same}
    after = {name: service for name, service in after.items() if name not in same}
    pairs = _Pairs(before, after)
    services = sorted(pairs.changes(), key=lambda one: one.service)
    return Comparison(tuple(services), tuple(_shared(old, new)), pairs.taken_away())


def frontends_of(service: ir.Service) -> Iterator[FrontendKey]:
    """Return every frontend of a service, port by port. A node port is one frontend, whatever its families are."""
    for port in service.ports:
        for address in service.addresses:
            yield FrontendKey(address, port.protocol, port.ports)
        if port.nodeport is not None:
            yield FrontendKey(None, port.protocol, port.nodeport)


class _Pairs:
    """The services that differ, before and after the change, and which old service became which new one."""

    def __init__(self, before: Mapping[str, ir.Service], after: Mapping[str, ir.Service]) -> None:
        self._before = before
        self._after = after
        self._owners = {front: one.name for one in after.values() for front in frontends_of(one)}
        self._owned = {front: one.name for one in before.values() for front in frontends_of(one)}
        #: Maps each old name to the new name, for the services that stay.
        self._follows = {name: name for name in before if name in after} | dict(self._renamed())

    def _renamed(self) -> Iterator[tuple[str, str]]:
        """Return (old name, new name) of services that were renamed: their frontends are the same, and no two services
        of one program share a frontend.
        """
        come = {frozenset(frontends_of(one)): name for name, one in self._after.items() if name not in self._before}
        for name, one in self._before.items():
            if name not in self._after and (to := come.get(frozenset(frontends_of(one)))) and [*frontends_of(one)]:
                yield name, to

    def changes(self) -> Iterator[ServiceChanges]:
        had = {to: self._before[name] for name, to in self._follows.items()}
        for name, service in self._after.items():
            found = [*_changed(had[name], service)] if name in had else [_added(service)]
            remembers = name in had and had[name].affinity is not None and service.affinity is not None
            yield ServiceChanges(name, (*found, *self._taken_over(service)), service if remembers else None)
        for name, service in self._before.items():
            if name not in self._follows:
                yield ServiceChanges(name, (_removed(service),))

    def _taken_over(self, service: ir.Service) -> Iterator[ServiceChange]:
        """Return a change for each other service that had some of this service's frontends before."""
        found: dict[str, list[str]] = {}
        for front in frontends_of(service):
            owner = self._owned.get(front)
            if owner is not None and self._follows.get(owner) != service.name:
                found.setdefault(owner, []).append(str(front))
        for owner, fronts in sorted(found.items()):
            yield ServiceChange(What.FRONTENDS_TAKEN, before=owner, after=service.name, frontends=tuple(fronts))

    def taken_away(self) -> TakenAway:
        removed = sum(name not in self._follows for name in self._before)
        endpoints = sum(len(self._lost_endpoints(one)) for one in self._before.values())
        ranges: dict[tuple[ir.Address | None, ir.Protocol], list[ir.PortRange]] = {}
        for front in self._owners:
            ranges.setdefault(front[:2], []).append(front.ports)
        closed = (
            str(front)
            for front in self._owned
            if not any(_covers(one, front.ports) for one in ranges.get(front[:2], ()))
        )
        return TakenAway(removed, endpoints, tuple(closed))

    def _lost_endpoints(self, service: ir.Service) -> set[ir.Address]:
        """Return the endpoints that afterwards neither the service has, nor those that take over its frontends."""
        heirs = {self._owners[front] for front in frontends_of(service) if front in self._owners}
        heirs |= {self._follows[name] for name in [service.name] if name in self._follows}
        kept = {endpoint.address for heir in heirs for endpoint in self._after[heir].endpoints}
        return {endpoint.address for endpoint in service.endpoints} - kept


def _covers(whole: ir.PortRange, part: ir.PortRange) -> bool:
    return whole.first <= part.first and part.last <= whole.last


def _added(service: ir.Service) -> ServiceChange:
    return ServiceChange(
        What.SERVICE_ADDED,
        after=service.name,
        endpoints=len(service.endpoints),
        frontends=tuple(map(str, frontends_of(service))),
    )


def _removed(service: ir.Service) -> ServiceChange:
    return ServiceChange(
        What.SERVICE_REMOVED,
        before=service.name,
        endpoints=len(service.endpoints),
        frontends=tuple(map(str, frontends_of(service))),
    )


# ---- one service


def _changed(old: ir.Service, new: ir.Service) -> Iterator[ServiceChange]:
    if old.name != new.name:
        yield ServiceChange(What.SERVICE_RENAMED, before=old.name, after=new.name)
    yield from _address_changes(old, new)
    yield from _port_changes(old, new)
    yield from endpoint_changes(old, new)
    for name, words in _SETTINGS.items():
        if words(old) != words(new):
            yield ServiceChange(What.SETTING, name, words(old), words(new))


def _address_changes(old: ir.Service, new: ir.Service) -> Iterator[ServiceChange]:
    before, after = _roles(old), _roles(new)
    for address in before.keys() - after.keys():
        yield ServiceChange(What.ADDRESS_REMOVED, str(address), before=before[address])
    for address, role in after.items():
        if address not in before:
            yield ServiceChange(What.ADDRESS_ADDED, str(address), after=role)
        elif before[address] != role:
            yield ServiceChange(What.ADDRESS_CHANGED, str(address), before[address], role)
    yield from _reordered("addresses", [*before], [*after])


def _roles(service: ir.Service) -> dict[ir.Address, str]:
    """Return each address with its role, as the language writes it."""
    found = dict.fromkeys(service.vips, "vip") | dict.fromkeys(service.external_ips, "external-ip")
    return {address: f"{role} shared" if address in service.shared else role for address, role in found.items()}


def _port_changes(old: ir.Service, new: ir.Service) -> Iterator[ServiceChange]:
    pairs = _paired_ports(old.ports, new.ports)
    for port in old.ports:
        if port not in pairs:
            yield ServiceChange(What.PORT_REMOVED, port_name(port), before=port_text(port))
    for port in new.ports:
        if port not in pairs.values():
            yield ServiceChange(What.PORT_ADDED, port_name(port), after=port_text(port))
    for before, after in pairs.items():
        yield from _port_differences(before, after)
    yield from _reordered("ports", [*pairs], [one for port in new.ports for one, to in pairs.items() if to is port])


def _paired_ports(old: Sequence[ir.Port], new: Sequence[ir.Port]) -> dict[ir.Port, ir.Port]:
    """Pair the ports that stay, old to new: by name, else by the same port, else because there is only one."""
    pairs: dict[ir.Port, ir.Port] = {}
    keys: tuple[Callable[[ir.Port], object], ...] = (
        lambda port: port.name,
        lambda port: (port.protocol, port.ports.first),
    )
    for key in keys:
        left = {key(port): port for port in reversed(new) if port not in pairs.values()}
        for port in old:  # of several with one key, the first of each side are a pair
            if port not in pairs and key(port) in left:
                pairs[port] = left.pop(key(port))
    return {old[0]: new[0]} if len(old) == len(new) == 1 else {port: pairs[port] for port in old if port in pairs}


def _port_differences(old: ir.Port, new: ir.Port) -> Iterator[ServiceChange]:
    subject = port_name(new)
    if (old.name or "") != (new.name or ""):
        yield ServiceChange(What.PORT_RENAMED, subject, old.name or "none", new.name or "none")
    if (old.ports, old.protocol) != (new.ports, new.protocol):
        yield ServiceChange(What.PORT_NUMBER, subject, f"{old.ports}/{old.protocol}", f"{new.ports}/{new.protocol}")
    if old.target != new.target:
        yield ServiceChange(What.PORT_TARGET, subject, str(old.target), str(new.target))
    if old.nodeport != new.nodeport:
        yield ServiceChange(What.NODE_PORT, subject, str(old.nodeport or "none"), str(new.nodeport or "none"))


def port_name(port: ir.Port) -> str:
    """Return the name of a port: "http", or "80/tcp" where it has none."""
    return port.name or f"{port.ports}/{port.protocol}"


def port_text(port: ir.Port) -> str:
    """Return a port as the language writes it, without its name: "80/tcp -> 8080 nodeport 30080"."""
    target = "" if port.target == port.ports.first else f" -> {port.target}"
    return f"{port.ports}/{port.protocol}{target}" + (f" nodeport {port.nodeport}" if port.nodeport else "")


def _reordered(what: str, old: Sequence[object], new: Sequence[object]) -> Iterator[ServiceChange]:
    """Return a change where the members that stay are in another order."""
    if [one for one in old if one in new] != [one for one in new if one in old]:
        yield ServiceChange(What.ORDER, what)


# ---- settings


def _list(members: Iterable[object], nothing: str) -> str:
    return " ".join(map(str, members)) or nothing


def duration(seconds: int) -> str:
    """Return a time as the language writes it: "3h", "90s"."""
    units = {"d": 86_400, "h": 3_600, "m": 60}
    return next((f"{seconds // size}{unit}" for unit, size in units.items() if seconds % size == 0), f"{seconds}s")


def _affinity_text(service: ir.Service, seconds: int) -> str:
    return f"{affinity_kind(service)} {duration(seconds)}{' per service' if service.affinity_per_service else ''}"


def _check_text(check: ir.Check) -> str:
    """Return a check nearly as the language writes it, with the defaults written out."""
    asked = {
        ir.CheckKind.HTTP: (check.path, f"expect {check.expect[0]}-{check.expect[1]}"),
        ir.CheckKind.HTTPS: (check.path, f"expect {check.expect[0]}-{check.expect[1]}"),
        ir.CheckKind.DNS: (check.name,),
    }.get(check.kind, ())
    host = f"host {check.host}" if check.host else ""
    times = f"every {check.every:g}s timeout {check.timeout:g}s fall {check.fall} rise {check.rise}"
    words = (check.kind.value, str(check.port or ""), *asked, host, "insecure" if check.insecure else "", times)
    return " ".join(word for word in words if word)


def _registered_text(one: ir.Registered) -> str:
    return f"{one.pool} ({_list(one.networks, '')})"


def _scheduler_text(service: ir.Service) -> str:
    by = "" if service.scheduler_by is ir.HashBy.ADDRESS else f" by {service.scheduler_by}"
    return f"{service.scheduler}{by}" if service.scheduler else "the target's own"


#: Every setting of a service, by its statement, with a function for the setting's text. Where a service says nothing,
#: the text says what that means.
_SETTINGS: Mapping[str, Callable[[ir.Service], str]] = {
    "scheduler": _scheduler_text,
    "affinity": lambda one: "none" if one.affinity is None else _affinity_text(one, one.affinity),
    "allow-from": lambda one: _list(one.allow_from, "everyone"),
    "announce": lambda one: "yes" if one.announce else "no",
    "traffic external": lambda one: one.external_traffic.value,
    "traffic internal": lambda one: one.internal_traffic.value,
    "masquerade": lambda one: _list(one.masquerade_from, one.masquerade.value),
    "snat": lambda one: _list(runs(one.snat), "the machine's own"),
    "forward": lambda one: one.forward.value,
    "when-empty": lambda one: one.when_empty.value,
    "check": lambda one: "none" if one.check is None else _check_text(one.check),
    "when-failed": lambda one: one.when_failed.value,
    "one-packet": lambda one: "yes" if one.one_packet else "no",
    "registered": lambda one: _list(map(_registered_text, one.registered), "none"),
}

_CLUSTER: Mapping[str, Callable[[ir.Cluster], str]] = {
    "prefix": lambda one: one.prefix,
    "pods": lambda one: _list(one.pods, "none"),
    "services": lambda one: _list(one.services, "none"),
    "nodeports": lambda one: str(one.nodeports),
    "nodeport-addresses": lambda one: _list(one.nodeport_addresses, "every local address"),
    "vip-device": lambda one: one.vip_device or "none",
    "mark": lambda one: hex(one.mark),
}


def settings_of(service: ir.Service) -> dict[str, str]:
    """Return the settings of a service that differ from the language's defaults, by their statements."""
    plain = ir.Service("")
    return {name: words(service) for name, words in _SETTINGS.items() if words(service) != words(plain)}


def _shared(old: ir.Program, new: ir.Program) -> Iterator[ServiceChange]:
    for name, words in _CLUSTER.items():
        if words(old.cluster) != words(new.cluster):
            yield ServiceChange(What.CLUSTER, name, words(old.cluster), words(new.cluster))
    before = {node.name: _node_text(node) for node in old.nodes}
    after = {node.name: _node_text(node) for node in new.nodes}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield ServiceChange(What.NODE_REMOVED, name, before=before[name])
        elif name not in before:
            yield ServiceChange(What.NODE_ADDED, name, after=after[name])
        elif before[name] != after[name]:
            yield ServiceChange(What.NODE_CHANGED, name, before[name], after[name])
    yield from _balancers(old, new)


def _balancers(old: ir.Program, new: ir.Program) -> Iterator[ServiceChange]:
    """Return a changed balancer as the statements that it loses and gains."""
    before = {one.name: _statements_of(one) for one in old.balancers}
    after = {one.name: _statements_of(one) for one in new.balancers}
    for name in sorted(before.keys() | after.keys()):
        gone = [statement for statement in before.get(name, ()) if statement not in after.get(name, ())]
        come = [statement for statement in after.get(name, ()) if statement not in before.get(name, ())]
        if name not in after:
            yield ServiceChange(What.BALANCER_REMOVED, name, before="; ".join(gone))
        elif name not in before:
            yield ServiceChange(What.BALANCER_ADDED, name, after="; ".join(come))
        elif before[name] != after[name]:
            moved = gone or come
            old_text = gone if moved else before[name]
            new_text = come if moved else after[name]
            yield ServiceChange(What.BALANCER_CHANGED, name, "; ".join(old_text), "; ".join(new_text))


def _statements_of(balancer: ir.Balancer) -> list[str]:
    return [f"{keyword} {values}" for keyword, values in balancer_statements(balancer)]


def _node_text(node: ir.Node) -> str:
    zone = f" zone {node.zone}" if node.zone else ""
    instance = f" instance {node.instance}" if node.instance else ""
    return f"address {_list(node.addresses, 'none')}{zone}{instance}"

"""The parts with all services, kept up to date service by service."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from svcc.compiler import ir
from svcc.kernel.ipset.sets import Set, sets_text
from svcc.kernel.ipvs.servers import VirtualServer, servers_text
from svcc.kernel.link.devices import Device, devices_text
from svcc.kernel.modules.names import modules_text
from svcc.kernel.sysctl.settings import parameters, sysctl_text
from svcc.kernel.xtables.script import Script
from svcc.kernel.xtables.state import printed
from svcc.targets import vip_device
from svcc.targets.interface import Artifact, Assembly, Bundle, Difference, Shared
from svcc.targets.ipvs import host, rules
from svcc.targets.ipvs.contribution import IpvsContribution, contribution
from svcc.targets.ipvs.parts import IP6TABLES, IPSET, IPTABLES, IPVSADM, MODULES
from svcc.targets.ipvs.state import FamilyState, Total, Touched

_VERSIONS = (4, 6)


def artifacts(cluster: ir.Cluster, families: Sequence[FamilyState]) -> tuple[Artifact, ...]:
    """Return the parts, in load order. They follow from the families, and from a few settings of the cluster."""
    settings = [*host.settings(cluster.vip_device, families)]
    modules, devices = host.modules(cluster.vip_device, families), _devices(cluster, families)
    sets, servers = _sets(families), _servers(families)
    return (
        Artifact(MODULES, modules_text(modules), modules),
        Artifact(vip_device.SYSCTL, sysctl_text(settings), parameters(settings)),
        Artifact(vip_device.IP, devices_text(devices.values()), devices),
        Artifact(IPSET, sets_text(sets.values()), sets),
        Artifact(IPVSADM, servers_text(servers.values()), servers),
        Artifact(IPTABLES, *printed(_script(cluster, 4, families), cluster.prefix)),
        Artifact(IP6TABLES, *printed(_script(cluster, 6, families), cluster.prefix)),
    )


def _states(cluster: ir.Cluster, families: Sequence[FamilyState]) -> dict[str, object]:
    """Return the objects of each part, by the part's name."""
    return {
        MODULES.name: host.modules(cluster.vip_device, families),
        vip_device.SYSCTL.name: parameters(host.settings(cluster.vip_device, families)),
        vip_device.IP.name: _devices(cluster, families),
        IPSET.name: _sets(families),
        IPVSADM.name: _servers(families),
        IPTABLES.name: printed(_script(cluster, 4, families), cluster.prefix)[1],
        IP6TABLES.name: printed(_script(cluster, 6, families), cluster.prefix)[1],
    }


def _devices(cluster: ir.Cluster, families: Sequence[FamilyState]) -> dict[str, Device]:
    name = cluster.vip_device
    if name is None or not any(family.held for family in families):
        return {}
    return {name: vip_device.carrying(name, cluster.prefix, host.vip_addresses(families))}


def _sets(families: Iterable[FamilyState]) -> dict[str, Set]:
    return {one.name: one for family in families for one in family.sets.values()}


def _servers(families: Iterable[FamilyState]) -> dict[str, VirtualServer]:
    return {server.key: server for family in families for server in family.servers}


def _script(cluster: ir.Cluster, version: int, families: Iterable[FamilyState]) -> Script:
    family = next((one for one in families if one.version == version), None)
    return rules.script(cluster, version, family.sets, family.sources) if family else Script()


class IpvsAssembly(Assembly):
    """See :class:`svcc.targets.interface.Assembly`."""

    def __init__(self, target: str, shared: Shared) -> None:
        self._target, self._shared = target, shared
        self._totals = {version: Total(shared, version) for version in _VERSIONS}
        self._contributions: dict[str, IpvsContribution] = {}
        self._whole: list[FamilyState] | None = None  # the whole state, where it was made since the last change

    def update(self, services: Mapping[str, ir.Service | None]) -> Mapping[str, Difference]:
        old = {name: known for name in sorted(services) if (known := self._contributions.get(name)) is not None}
        new = {name: contribution(self._shared, one) for name, one in sorted(services.items()) if one is not None}
        touched = _touched((*old.values(), *new.values()))
        first = not self._contributions
        before = self._families(old.values(), touched)
        self._take(old, new)
        after = self._all() if first else self._families(new.values(), touched)
        if _resized(before, after):  # a set that is made anew needs all its elements
            self._take(new, old)
            before = self._all()
            self._take(old, new)
            after = self._all()
        was, becomes = _states(self._shared.cluster, before), _states(self._shared.cluster, after)
        return {part: Difference(was[part], becomes[part]) for part in was if was[part] != becomes[part]}

    def move(self, shared: Shared, services: Mapping[str, ir.Service]) -> None:
        self._shared = shared
        for total in self._totals.values():
            total.move(shared)
        old = {name: self._contributions[name] for name in services}
        self._take(old, {name: contribution(shared, one) for name, one in services.items()})

    def bundle(self) -> Bundle:
        node = self._shared.node
        made = artifacts(self._shared.cluster, self._all())
        return Bundle(self._target, node.name if node else None, made)

    def _all(self) -> list[FamilyState]:
        """Return the whole state of the families, with the services in order."""
        if self._whole is None:
            self._whole = self._families(
                [one for _, one in sorted(self._contributions.items(), key=lambda one: one[0])]
            )
        return self._whole

    def _take(self, old: Mapping[str, IpvsContribution], new: Mapping[str, IpvsContribution]) -> None:
        """Replace ``old`` by ``new``."""
        self._whole = None
        for some, by in ((old, -1), (new, 1)):
            for one in some.values():
                for version, part in one.parts.items():
                    self._totals[version].count(part, by)
        for name in old:
            del self._contributions[name]
        self._contributions.update(new)

    def _families(
        self, some: Collection[IpvsContribution], touched: Mapping[int, Touched] | None = None
    ) -> list[FamilyState]:
        """Return the families that any service uses, v4 before v6; see :meth:`svcc.targets.ipvs.state.Total.state`."""
        return [
            total.state(
                [one.parts[version] for one in some if version in one.parts], touched[version] if touched else None
            )
            for version, total in self._totals.items()
            if total.used
        ]


def _touched(changed: Iterable[IpvsContribution]) -> Mapping[int, Touched]:
    touched = {version: Touched() for version in _VERSIONS}
    for one in changed:
        for version, part in one.parts.items():
            touched[version].add(part)
    return touched


def _resized(before: Iterable[FamilyState], after: Iterable[FamilyState]) -> bool:
    """Whether a set that stays gets another size."""
    sizes = {one.name: one.created for family in before for one in family.sets.values()}
    found = (one for family in after for one in family.sets.values())
    return any(sizes.get(one.name, one.created) != one.created for one in found)

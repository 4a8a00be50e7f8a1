"""What one service adds to the scripts: chains of its own, and its ports in the chains that services share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend
from svcc.kernel.addresses import Address
from svcc.kernel.xtables.script import texts
from svcc.kernel.xtables.state import Rules
from svcc.targets import vip_device
from svcc.targets.interface import Contribution, Shared
from svcc.targets.iptables import invalid
from svcc.targets.iptables.dispatch import PortRule
from svcc.targets.iptables.names import Names
from svcc.targets.iptables.ranges import spread_ranges
from svcc.targets.iptables.services import Services
from svcc.targets.iptables.sources import rewritten
from svcc.targets.iptables.unserved import Unserved


class Ports(NamedTuple):
    """The rules for a service's ports in one table: at its addresses (by number), and at the node."""

    addresses: Mapping[int, Sequence[PortRule]]
    node: Sequence[PortRule]


_NO_PORTS = Ports({}, ())


class FamilyContribution(NamedTuple):
    """What a service adds in one family. Mappings hold chains of its own, by name.

    It is a named tuple, because there are tens of thousands, and these are made more quickly.
    """

    addresses: Mapping[int, Address]  # all addresses of the service, by number
    balance: Mapping[str, Rules]  # nat: SVC
    sources: Mapping[str, Rules]  # nat: SRC
    external: Mapping[str, Rules]  # nat: EXT
    refused: Mapping[str, Rules]  # filter: SRC
    marking: frozenset[str]  # the shared chains that mark its clients
    served: Ports  # nat
    unserved: Ports  # filter
    shared: frozenset[Address]  # those of its addresses that are shared
    rejects: bool  # whether its chains or port rules lead to the chain that rejects
    rewritten: Ports  # the new sources of its connections, where it names addresses
    segments: invalid.Segments


@dataclass(frozen=True, slots=True)
class IptablesContribution(Contribution):
    """What a service adds; families that it does not serve are missing."""

    parts: Mapping[int, FamilyContribution]  # by IP version
    announced: frozenset[ir.Address]


def contribution(shared: Shared, service: ir.Service) -> IptablesContribution:
    """See :meth:`svcc.targets.interface.TargetByService.contribution`."""
    led = list(shared.view.frontends(service))
    by_version: dict[int, list[Frontend]] = {}
    for frontend in spread_ranges(iter(led)):
        by_version.setdefault(frontend.version, []).append(frontend)
    names = Names(shared.cluster.prefix)
    parts = {version: _part(shared.cluster, names, found, version) for version, found in sorted(by_version.items())}
    return IptablesContribution(parts, vip_device.announced(led) if service.announce else frozenset())


def _part(cluster: ir.Cluster, names: Names, found: list[Frontend], version: int) -> FamilyContribution:
    services, unserved = Services(names, found), Unserved(names, found)
    return FamilyContribution(
        services.named,
        services.balance,
        services.sources,
        services.external,
        texts(unserved.sources.values()),
        frozenset(services.marking),
        _ports(services.addresses, services.node_ports),
        _ports(unserved.addresses, unserved.node_ports),
        frozenset(services.shared),
        unserved.rejects,
        _ports(*rewritten(found)),
        invalid.segments(cluster, found, version),
    )


def _ports(addresses: Mapping[int, Sequence[PortRule]], node: Sequence[PortRule]) -> Ports:
    return Ports(addresses, node) if addresses or node else _NO_PORTS

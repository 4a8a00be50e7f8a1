"""What one service adds to the scripts: chains of its own, and its ports in the chains that services share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, frontends
from svcc.kernel.addresses import Address
from svcc.kernel.xtables.objects import Jump, texts
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


@dataclass(frozen=True, slots=True)
class Ports:
    """What becomes of a service's ports in one table: at its addresses, and at the node."""

    addresses: Mapping[Address, tuple[PortRule, ...]]
    node: tuple[PortRule, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What a service adds in one family. Chains are the service's own, by name."""

    balance: Mapping[str, Rules]  # nat: SVC
    sources: Mapping[str, Rules]  # nat: SRC
    external: Mapping[str, Rules]  # nat: EXT
    refused: Mapping[str, Rules]  # filter: SRC
    marking: frozenset[str]  # the chains of those that services share through which its clients are sent to be marked
    served: Ports  # nat; of every address that the service has
    unserved: Ports  # filter; likewise
    shared: frozenset[Address]  # of its addresses those that are others' as well
    rejects: bool  # whether chains or ports of its own lead to the chain that rejects
    rewritten: Ports  # what the source of its connections becomes, where it names addresses
    segments: invalid.Segments


@dataclass(frozen=True, slots=True)
class IptablesContribution(Contribution):
    """What a service adds; families that it does not serve are left out."""

    parts: Mapping[int, Part]  # by IP version
    announced: frozenset[ir.Address]


def contribution(shared: Shared, service: ir.Service) -> IptablesContribution:
    """See :meth:`svcc.targets.interface.TargetByService.contribution`."""
    led = list(frontends(ir.Program(shared.cluster, shared.nodes, (service,)), shared.node))
    by_version: dict[int, list[Frontend]] = {}
    for frontend in spread_ranges(iter(led)):
        by_version.setdefault(frontend.version, []).append(frontend)
    names = Names(shared.cluster.prefix)
    parts = {version: _part(shared.cluster, names, found, version) for version, found in sorted(by_version.items())}
    return IptablesContribution(parts, vip_device.announced(led) if service.announce else frozenset())


def _part(cluster: ir.Cluster, names: Names, found: list[Frontend], version: int) -> Part:
    services, unserved = Services(names, found), Unserved(names, found)
    return Part(
        texts(services.balance),
        texts(services.sources.values()),
        texts(services.external),
        texts(unserved.sources.values()),
        _marking(services, names),
        _ports(services.addresses, services.node_ports),
        _ports(unserved.addresses, unserved.node_ports),
        frozenset(services.shared),
        unserved.rejects,
        _ports(*rewritten(found)),
        invalid.segments(cluster, found, version),
    )


def _marking(services: Services, names: Names) -> frozenset[str]:
    """The chains that mark through which clients are sent: before the choice, and behind the check of sources."""
    first = (rule.verdict for chain in (*services.balance, *services.external) for rule in chain.rules[:2])
    return frozenset({verdict.chain for verdict in first if isinstance(verdict, Jump)} & {names.mark, names.outside})


def _ports(addresses: Mapping[ir.Address, list[PortRule]], node: list[PortRule]) -> Ports:
    return Ports({address: tuple(rules) for address, rules in addresses.items()}, tuple(node))

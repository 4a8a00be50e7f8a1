"""The iptables target: an iptables-restore script for each family."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.features import Feature
from svcc.kernel.requirements import IPTABLES
from svcc.targets import vip_device
from svcc.targets.interface import Accepted, Assembly, Bundle, ServiceNetworks, Shared, TargetByService
from svcc.targets.iptables import limits
from svcc.targets.iptables.names import Names
from svcc.targets.iptables.parts import SCRIPTS
from svcc.targets.iptables.ranges import SHIFTED_PORTS
from svcc.targets.only_ipvs import NOT_IN_RULES
from svcc.targets.reading import Text

if TYPE_CHECKING:
    from svcc.targets.iptables.contribution import IptablesContribution


class Iptables(TargetByService):
    """The iptables target."""

    name = "iptables"
    title = "iptables and ip6tables chains, for iptables-restore of either variant"
    parts = (*SCRIPTS.values(), vip_device.SYSCTL, vip_device.IP)
    tools = IPTABLES
    features: ClassVar[Mapping[Feature, str]] = {
        Feature.VIP: "",
        Feature.EXTERNAL_IP: "",
        Feature.SHARED: "",
        Feature.ANNOUNCE: vip_device.ANNOUNCED,
        Feature.SERVICES: "",
        Feature.NODE_PORT: "",
        Feature.NODE_PORT_ADDRESSES: "",
        Feature.ALLOW_FROM: "",
        Feature.SCTP: "",
        Feature.PORT_RANGE: "",
        Feature.PORT_RANGE_SHIFT: f"a chain for each port, at most {SHIFTED_PORTS}",
        Feature.WEIGHT: "",
        Feature.ENDPOINT_PORT: "",
        Feature.BACKUP: "",
        Feature.AFFINITY: (
            "per port of a service, through whichever address; "
            "100 clients for each endpoint, unless module xt_recent is loaded with ip_list_tot=N"
        ),
        Feature.AFFINITY_PER_SERVICE: "likewise",
        Feature.AFFINITY_NETWORKS: "",
        Feature.EXTERNAL_LOCAL: "",
        Feature.INTERNAL_LOCAL: "",
        Feature.EXTERNAL_PREFER_LOCAL: "",
        Feature.INTERNAL_PREFER_LOCAL: "",
        Feature.EXTERNAL_PREFER_ZONE: "",
        Feature.INTERNAL_PREFER_ZONE: "",
        Feature.MASQUERADE_ALWAYS: "",
        Feature.MASQUERADE_NEVER: "",
        Feature.MASQUERADE_NETWORK: "",
        Feature.SNAT: "",
        Feature.WHEN_EMPTY_DROP: "",
        Feature.WHEN_EMPTY_DRAINING: "",
        Feature.SCHEDULER_RANDOM: "the default",
        Feature.SCHEDULER_RR: "starts again when its rules are loaded again",
        Feature.SCHEDULER_WRR: f"a rule for each turn, at most {limits.TURNS}",
        Feature.SCHEDULER_SH: "IPv4 (IPv6 with one endpoint); weights in lowest terms add up to at most 32",
    }

    lacks: ClassVar[Mapping[Feature, str]] = {
        **NOT_IN_RULES,
        Feature.SCHEDULER_SH_BY_PORT: "its match `cluster` hashes the client's address alone",
    }

    def contribution(self, shared: Shared, service: ir.Service) -> IptablesContribution:
        from svcc.targets.iptables.contribution import contribution

        return contribution(shared, service)

    def asks_for_addresses(self, service: ir.Service) -> bool:
        return bool(service.shared)

    def at_addresses(self, cluster: ir.Cluster, service: ir.Service, addresses: Collection[ir.Address]) -> Hashable:
        return tuple(address for address in service.shared if address in addresses)

    def assembly(self, shared: Shared) -> Assembly:
        from svcc.targets.iptables.assembly import IptablesAssembly

        return IptablesAssembly(self.name, shared)

    def chains(self, prefix: str) -> Names:
        return Names(prefix)

    def makes_chain(self, prefix: str, table: str, name: str, rules: Sequence[str]) -> bool:
        from svcc.targets.iptables.matches import READERS
        from svcc.targets.iptables.read import is_chain
        from svcc.targets.xtables_read.rules import Grammar

        return is_chain(prefix, table, name) and Grammar(READERS).knows(rules)

    def forgets_renamed(self, service: ir.Service, *, port_alone: bool) -> bool:
        return not (port_alone and service.affinity_per_service)  # its lists of clients have these names

    def exclusive_addresses(self, bundle: Bundle) -> Iterator[ir.Address]:
        from svcc.targets.iptables.addresses import exclusive_addresses

        return exclusive_addresses(bundle)

    def service_networks(self, bundle: Bundle) -> ServiceNetworks:
        from svcc.targets.iptables.addresses import service_networks

        return service_networks(bundle)

    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        from svcc.targets.iptables.bundles import accept

        return accept(self.name, texts)

    def limits(self, program: ir.Program) -> Iterator[Diagnostic]:
        yield from limits.limits(program)
        yield from vip_device.limits(program)


TARGET = Iptables()

"""The nft target: one document for ``nft -j``, which replaces our table in both families at once.

Services and endpoints are elements of maps. Chains are shapes, shared by all services of one kind. A new connection is
looked up in ``services`` (or ``nodeports``), goes to a chain that draws a slot, and from there to the endpoint that
``endpoint-SLOT`` has for the same key. It loads on nft 1.0.6 and later; rejecting needs Linux 5.9.

The output of ``nft list ruleset`` is only for reading: nft 1.0.6 to 1.1.7 print ``map @endpoint-0:8080``, and read that
as the name of a map; and nft 1.0.6 refuses its own JSON listing of verdict maps. This document is what loads.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.features import Feature
from svcc.kernel.requirements import NFT
from svcc.targets import vip_device
from svcc.targets.interface import Accepted, Assembly, Bundle, Part, ServiceNetworks, Shared, TargetByService
from svcc.targets.nft.limits import limits
from svcc.targets.nft.parts import LANGUAGE_PART, PART
from svcc.targets.only_ipvs import NOT_IN_RULES
from svcc.targets.reading import Text

if TYPE_CHECKING:
    from svcc.targets.nft.contribution import NftContribution


class Nft(TargetByService):
    """The nft target."""

    name = "nft"
    title = "nftables: one libnftables JSON document, for nft -j"
    parts = (PART, vip_device.SYSCTL, vip_device.IP)
    tools = (NFT,)
    alone = PART
    syntaxes: ClassVar[Mapping[str, Part]] = {"json": PART, "nft": LANGUAGE_PART}
    features: ClassVar[Mapping[Feature, str]] = {
        Feature.VIP: "",
        Feature.EXTERNAL_IP: "",
        Feature.SHARED: "",
        Feature.ANNOUNCE: vip_device.ANNOUNCED,
        Feature.SERVICES: "",
        Feature.NODE_PORT: "on every local address but loopback",
        Feature.NODE_PORT_ADDRESSES: "",
        Feature.ALLOW_FROM: "",
        Feature.SCTP: "",
        Feature.PORT_RANGE: "",
        Feature.PORT_RANGE_SHIFT: "",
        Feature.WEIGHT: "",
        Feature.ENDPOINT_PORT: "",
        Feature.BACKUP: "",
        Feature.AFFINITY: "per vip, external ip and node port",
        Feature.AFFINITY_PER_SERVICE: "sets of its own for each endpoint of the service",
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
        Feature.SCHEDULER_RR: "a chain with a counter per port",
        Feature.SCHEDULER_WRR: "likewise",
        Feature.SCHEDULER_SH: "a hash of the client's address",
        Feature.SCHEDULER_SH_BY_PORT: "a hash of the client's address and port",
    }

    lacks = NOT_IN_RULES

    def contribution(self, shared: Shared, service: ir.Service) -> NftContribution:
        from svcc.targets.nft.contribution import contribution

        return contribution(shared, service)

    def asks_for_addresses(self, service: ir.Service) -> bool:
        return bool(service.shared)

    def at_addresses(self, cluster: ir.Cluster, service: ir.Service, addresses: Collection[ir.Address]) -> Hashable:
        return tuple(address for address in service.shared if address in addresses)

    def assembly(self, shared: Shared) -> Assembly:
        from svcc.targets.nft.assembly import NftAssembly

        return NftAssembly(self.name, shared)

    def in_syntax(self, bundle: Bundle, syntax: str) -> Bundle:
        from svcc.targets.nft.bundles import with_part_in_language

        return bundle if syntax == "json" else with_part_in_language(bundle, self.syntaxes[syntax])

    def is_alone(self, start: str) -> bool:
        from svcc.kernel.nft.language import SHEBANG

        return start.startswith(SHEBANG) or start.lstrip("{ \t\r\n").startswith('"nftables"')

    def exclusive_addresses(self, bundle: Bundle) -> Iterator[ir.Address]:
        from svcc.targets.nft.addresses import exclusive_addresses

        return exclusive_addresses(bundle)

    def service_networks(self, bundle: Bundle) -> ServiceNetworks:
        from svcc.targets.nft.addresses import service_networks

        return service_networks(bundle)

    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        from svcc.targets.nft.bundles import accept

        return accept(self.name, texts)

    def limits(self, program: ir.Program) -> Iterator[Diagnostic]:
        yield from limits(program)
        yield from vip_device.limits(program)


TARGET = Nft()

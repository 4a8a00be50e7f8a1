"""The nft target: one document for ``nft -j``, which replaces our table in both families at once.

Services and endpoints are elements of maps; chains are shapes that all services of a kind share. A new connection
is looked up in ``services`` (or ``nodeports``), goes to a chain that draws a slot, and from there to the endpoint
that ``endpoint-SLOT`` has for the same key. It loads on nft 1.0.6 and later; rejecting needs Linux 5.9.

What ``nft list ruleset`` prints of it is for reading: nft 1.0.6 to 1.1.7 print ``map @endpoint-0:8080``, and read that
as the name of a map; and nft 1.0.6 refuses its own JSON listing of maps of verdicts. What loads is this document.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.features import Feature
from svcc.kernel.nft.language import SHEBANG, in_language
from svcc.kernel.nft.reading import read_document
from svcc.kernel.nft.state import NftState
from svcc.kernel.requirements import NFT
from svcc.targets import vip_device
from svcc.targets.interface import Accepted, Artifact, Assembly, Bundle, Part, ServiceNetworks, Shared, TargetByService
from svcc.targets.nft import hooks
from svcc.targets.nft.assembly import PART, NftAssembly
from svcc.targets.nft.contribution import NftContribution, contribution
from svcc.targets.nft.limits import limits
from svcc.targets.nft.read import printed, read
from svcc.targets.nft.read_checks import TableCheck
from svcc.targets.nft.read_elements import check_elements
from svcc.targets.nft.read_json import name_of_tables
from svcc.targets.only_ipvs import NOT_IN_RULES
from svcc.targets.reading import Text


class Nft(TargetByService):
    """See the module."""

    name = "nft"
    title = "nftables: one libnftables JSON document, for nft -j"
    parts = (PART, vip_device.SYSCTL, vip_device.IP)
    tools = (NFT,)
    alone = PART
    syntaxes: ClassVar[Mapping[str, Part]] = {"json": PART, "nft": Part(PART.name, "nft.nft", "nft -f -")}
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
        return contribution(shared, service)

    def asks_for_addresses(self, service: ir.Service) -> bool:
        return bool(service.shared)

    def at_addresses(self, cluster: ir.Cluster, service: ir.Service, addresses: Collection[ir.Address]) -> Hashable:
        return tuple(address for address in service.shared if address in addresses)

    def assembly(self, shared: Shared) -> Assembly:
        return NftAssembly(self.name, shared)

    def in_syntax(self, bundle: Bundle, syntax: str) -> Bundle:
        artifact = bundle.artifact(PART.name)
        if syntax == "json" or artifact is None or not isinstance(artifact.state, NftState):
            return bundle
        text = in_language(artifact.state, name_of_tables(artifact.text))
        other = Artifact(self.syntaxes[syntax], text, artifact.state)
        return replace(bundle, artifacts=tuple(other if one is artifact else one for one in bundle.artifacts))

    def is_alone(self, start: str) -> bool:
        return start.startswith(SHEBANG) or start.lstrip("{ \t\r\n").startswith('"nftables"')

    def exclusive_addresses(self, bundle: Bundle) -> Iterator[ir.Address]:
        artifact = bundle.artifact(PART.name)
        if artifact is not None:
            state = artifact.state if isinstance(artifact.state, NftState) else read_document(artifact.text)
            for table in state.tables.values():
                if hooks.ADDRESSES.name in table.sets:
                    yield from map(ip_address, table.sets[hooks.ADDRESSES.name].elements)

    def service_networks(self, bundle: Bundle) -> ServiceNetworks:
        artifact = bundle.artifact(PART.name)
        if artifact is None:
            return ServiceNetworks()
        state = artifact.state if isinstance(artifact.state, NftState) else read_document(artifact.text)
        sets = [table.sets for table in state.tables.values()]
        networks = [named.elements for one in sets if (named := one.get(hooks.SERVICE_NETWORKS.name))]
        shared = [named.elements for one in sets if (named := one.get(hooks.SERVICE_NETWORKS_SHARED.name))]
        return ServiceNetworks(
            frozenset(ip_network(text) for some in networks for text in some),
            frozenset(ip_address(text) for some in shared for text in some),
        )

    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        name, tables, found = read(texts[PART.name])
        for table in tables:
            check = TableCheck(table)
            check.run()
            check_elements(table, check)
        rules = Artifact(PART, *printed(texts[PART.name], name, tables, found))
        own = {*self.exclusive_addresses(Bundle(self.name, None, (rules,)))}
        device = vip_device.read_device(texts[vip_device.IP.name])
        if device is not None and device.prefix.lower() != name:
            raise vip_device.another_prefix(texts[vip_device.IP.name], device, name.upper())
        announcing = vip_device.accept_announcing(texts, device, own)
        prefix = device.prefix if device else name.upper()
        return Accepted((rules, *announcing), prefix, device.name if device else None)

    def limits(self, program: ir.Program) -> Iterator[Diagnostic]:
        yield from limits(program)
        yield from vip_device.limits(program)


TARGET = Nft()

"""The iptables target: an iptables-restore script for each family."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.features import Feature
from svcc.kernel.requirements import IPTABLES
from svcc.kernel.xtables.state import State
from svcc.targets import vip_device
from svcc.targets.interface import Accepted, Artifact, Assembly, Bundle, ServiceNetworks, Shared, TargetByService
from svcc.targets.iptables import limits
from svcc.targets.iptables.assembly import PARTS, IptablesAssembly
from svcc.targets.iptables.contribution import IptablesContribution, contribution
from svcc.targets.iptables.matches import READERS
from svcc.targets.iptables.names import Names
from svcc.targets.iptables.ranges import SHIFTED_PORTS
from svcc.targets.iptables.read import check_script, is_chain
from svcc.targets.only_ipvs import NOT_IN_RULES
from svcc.targets.reading import Text
from svcc.targets.xtables_read.rules import Grammar

#: Where all that is sent to an address goes, and the chains at whose end it is rejected.
_AT_ADDRESS = re.compile(r"^-A \S+ -d ([0-9a-f.:]+)/(?:32|128) -g (\S+)$", re.MULTILINE)
_REST = re.compile(r"^-A (\S+) -g (\S+-REJECT)$", re.MULTILINE)
#: The ends of the chains that reject: shared addresses that pass, and the networks of service addresses behind them.
_PASSING = re.compile(r"^-A \S+-UNSERVED -d ([0-9a-f.:]+)/(?:32|128) -j RETURN$", re.MULTILINE)
_NETWORK = re.compile(r"^-A \S+-UNSERVED -d ([0-9a-f.:]+/[0-9]+) -g \S+-REJECT$", re.MULTILINE)


class Iptables(TargetByService):
    """See the module."""

    name = "iptables"
    title = "iptables and ip6tables chains, for iptables-restore of either variant"
    parts = (*PARTS.values(), vip_device.SYSCTL, vip_device.IP)
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
        return contribution(shared, service)

    def asks_for_addresses(self, service: ir.Service) -> bool:
        return bool(service.shared)

    def at_addresses(self, cluster: ir.Cluster, service: ir.Service, addresses: Collection[ir.Address]) -> Hashable:
        return tuple(address for address in service.shared if address in addresses)

    def assembly(self, shared: Shared) -> Assembly:
        return IptablesAssembly(self.name, shared)

    def chains(self, prefix: str) -> Names:
        return Names(prefix)

    def makes_chain(self, prefix: str, table: str, name: str, rules: Sequence[str]) -> bool:
        return is_chain(prefix, table, name) and Grammar(READERS).knows(rules)

    def exclusive_addresses(self, bundle: Bundle) -> Iterator[ir.Address]:
        for artifact in bundle.artifacts:
            text = _filter_text(artifact)
            rejecting = {chain for chain, _ in _REST.findall(text)}
            for address, chain in _AT_ADDRESS.findall(text):
                if chain in rejecting or chain.endswith("-REJECT"):
                    yield ip_address(address)

    def service_networks(self, bundle: Bundle) -> ServiceNetworks:
        networks: set[ir.Network] = set()
        shared: set[ir.Address] = set()
        for artifact in bundle.artifacts:
            text = _filter_text(artifact, "-UNSERVED")
            networks.update(map(ip_network, _NETWORK.findall(text)))
            shared.update(map(ip_address, _PASSING.findall(text)))
        several = (network for network in networks if network.prefixlen < network.max_prefixlen)
        return ServiceNetworks(frozenset(several), frozenset(shared))  # a single address is among the exclusive ones

    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        found = {part: check_script(texts[part.name], version) for version, part in PARTS.items()}
        prefixes = {prefix for prefix, _, _ in found.values() if prefix is not None}
        bits = {bit for _, _, marks in found.values() for bit in marks}
        if len(prefixes) > 1 or len(bits) > 1:
            what = "prefix" if len(prefixes) > 1 else "mark"
            raise texts[PARTS[6].name].refused(f"the two families do not have the same {what}", 0, 1)
        artifacts = tuple(Artifact(part, script) for part, (_, script, _) in found.items())
        prefix = next(iter(prefixes), None)
        own = {*self.exclusive_addresses(Bundle(self.name, None, artifacts))}
        device = vip_device.read_device(texts[vip_device.IP.name])
        if device is not None and device.prefix != prefix:
            raise vip_device.another_prefix(texts[vip_device.IP.name], device, prefix)
        announcing = vip_device.accept_announcing(texts, device, own)
        return Accepted((*artifacts, *announcing), prefix, device.name if device else None)

    def limits(self, program: ir.Program) -> Iterator[Diagnostic]:
        yield from limits.limits(program)
        yield from vip_device.limits(program)


def _filter_text(artifact: Artifact, end: str = "") -> str:
    """The lines of those chains of the filter table whose names have an end; of a mere text, all that it has."""
    state = artifact.state
    if not isinstance(state, State):
        return artifact.text
    chains = state.tables["filter"].chains if "filter" in state.tables else {}
    return "".join(f"-A {chain} {rule}\n" for chain, rules in chains.items() if chain.endswith(end) for rule in rules)


TARGET = Iptables()

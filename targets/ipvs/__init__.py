"""The ipvs target: IPVS virtual servers, the ipsets and few rules that they need, and the device for their vips.

All but about twenty rules is data: virtual servers, set elements, addresses. Loading the parts by hand, in their order,
gives a working node; loading them again is harmless, but does not restore what was removed:

* ``ip`` complains that the device exists (``-force`` goes on),
* ``ipvsadm`` complains about what exists, goes on, and changes nothing of it,
* ``iptables`` repeats its jumps from the built-in chains.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.features import Feature
from svcc.kernel import requirements
from svcc.targets import vip_device
from svcc.targets.interface import Accepted, Assembly, Bundle, ServiceNetworks, Shared, TargetByService
from svcc.targets.ipvs import limits
from svcc.targets.ipvs.meaning import Purposes
from svcc.targets.ipvs.parts import PARTS
from svcc.targets.ipvs.sets import purpose_of
from svcc.targets.ipvs.virtual import RANGE_PORTS
from svcc.targets.reading import Text

if TYPE_CHECKING:
    from svcc.targets.ipvs.contribution import IpvsContribution

#: Endpoints would send their answers from one of the node's own addresses to another one, which no kernel accepts.
_NOT_THE_NODE = "not for clients on the node itself"


class Ipvs(TargetByService):
    """The ipvs target."""

    name = "ipvs"
    translates = False
    title = "IPVS virtual servers with ipsets, for ipvsadm, ipset, ip, sysctl and iptables-restore"
    affinity_ends_in_time = False  # it lasts as long as a connection under it is remembered (ip_vs_conn_expire)
    sets = Purposes()
    tools = (requirements.IPVSADM, requirements.IPSET, requirements.IP, requirements.SYSCTL, *requirements.IPTABLES)
    modules = ("ip_vs", "dummy", "nf_conntrack")
    default_scheduler = ir.Scheduler.RR  # wrr where weights differ, which is round robin too
    parts = PARTS
    features: ClassVar[Mapping[Feature, str]] = {
        Feature.VIP: "",
        Feature.EXTERNAL_IP: "",
        Feature.SHARED: "",
        Feature.ANNOUNCE: vip_device.ANNOUNCED,
        Feature.SERVICES: "",
        Feature.NODE_PORT: "on the addresses that the node is declared with",
        Feature.NODE_PORT_ADDRESSES: "",
        Feature.ALLOW_FROM: "",
        Feature.SCTP: "",
        Feature.PORT_RANGE: f"a virtual server for each port up to {RANGE_PORTS} ports, beyond for all, by packet mark",
        Feature.PORT_RANGE_SHIFT: f"up to {RANGE_PORTS} ports: by packet mark, IPVS keeps the port",
        Feature.WEIGHT: "",
        Feature.ENDPOINT_PORT: "",
        Feature.BACKUP: "",
        Feature.MAX_CONNECTIONS: "per vip, external ip and node port",
        Feature.AFFINITY: "ends 2 minutes after the client's last connection at the earliest",
        Feature.AFFINITY_PER_SERVICE: "where endpoints listen on the ports of the service; by packet mark",
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
        Feature.SNAT: "a rule for each address and port of the service",
        Feature.FORWARD_DIRECT: _NOT_THE_NODE,
        Feature.FORWARD_TUNNEL: _NOT_THE_NODE,
        Feature.WHEN_EMPTY_DROP: "",
        Feature.WHEN_EMPTY_DRAINING: "",
        Feature.ONE_PACKET: "udp, under forward direct and tunnel",
        Feature.SCHEDULER_RR: "the default where weights are equal",
        Feature.SCHEDULER_WRR: "the default where weights differ",
        Feature.SCHEDULER_SH: "with sh-fallback",
        Feature.SCHEDULER_SH_BY_PORT: "",
        Feature.SCHEDULER_DH: "where every endpoint serves: none draining or backup, nobody preferred",
        Feature.SCHEDULER_LC: "",
        Feature.SCHEDULER_WLC: "",
        Feature.SCHEDULER_LBLC: "",
        Feature.SCHEDULER_LBLCR: "",
        Feature.SCHEDULER_SED: "",
        Feature.SCHEDULER_NQ: "",
        Feature.SCHEDULER_FO: "",
        Feature.SCHEDULER_OVF: "refuses clients when every endpoint has as many connections as its weight",
        Feature.SCHEDULER_MH: "with mh-fallback",
        Feature.SCHEDULER_MH_BY_PORT: "",
        Feature.SCHEDULER_TWOS: "Linux 5.14",
    }

    lacks: ClassVar[Mapping[Feature, str]] = {
        Feature.SCHEDULER_RANDOM: "IPVS has no choice by chance; `scheduler wrr` follows weights, too",
    }

    def contribution(self, shared: Shared, service: ir.Service) -> IpvsContribution:
        from svcc.targets.ipvs.contribution import contribution

        return contribution(shared, service)

    def asks_for_addresses(self, service: ir.Service) -> bool:
        return bool(service.allow_from) or any(port.nodeport for port in service.ports)

    def at_addresses(self, cluster: ir.Cluster, service: ir.Service, addresses: Collection[ir.Address]) -> Hashable:
        serving = tuple(addresses) if any(port.nodeport for port in service.ports) else ()
        return serving, tuple(any(own in network for own in addresses) for network in service.allow_from)

    def assembly(self, shared: Shared) -> Assembly:
        from svcc.targets.ipvs.assembly import IpvsAssembly

        return IpvsAssembly(self.name, shared)

    def makes_chain(self, prefix: str, table: str, name: str, rules: Sequence[str]) -> bool:
        from svcc.targets.ipvs.rules import CHAINS
        from svcc.targets.xtables_read.rules import Grammar

        return name.removeprefix(f"{prefix}-") in CHAINS.get(table, ()) and Grammar().knows(rules)

    def makes_set(self, prefix: str, name: str, type: str) -> bool:
        purpose = purpose_of(name)
        made = purpose is not None and name in (purpose.set_name(prefix, 4), purpose.set_name(prefix, 6))
        return made and purpose is not None and type == purpose.type

    def forgets_renamed(self, service: ir.Service, *, port_alone: bool) -> bool:
        from svcc.targets.ipvs.virtual import by_mark, is_large

        return not port_alone and (by_mark(service) or any(is_large(port.ports) for port in service.ports))

    def exclusive_addresses(self, bundle: Bundle) -> Iterator[ir.Address]:
        from svcc.targets.ipvs.bundles import exclusive_addresses

        return exclusive_addresses(bundle)

    def service_networks(self, bundle: Bundle) -> ServiceNetworks:
        from svcc.targets.ipvs.bundles import service_networks

        return service_networks(bundle)

    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        from svcc.targets.ipvs.bundles import accept

        return accept(texts)

    def limits(self, program: ir.Program) -> Iterator[Diagnostic]:
        yield from limits.limits(program)
        yield from vip_device.limits(program)

    def needs_node(self, program: ir.Program) -> Iterator[Diagnostic]:
        for service in program.services:
            for port in service.ports:
                if port.nodeport is not None:
                    yield Diagnostic(
                        Code.NODE_NEEDED,
                        "ipvs serves node ports on the node's addresses, and no node is given",
                        port.spans.get("nodeport", service.span),
                        hint="declare the machine (node NAME { address … }) and name it with --node",
                    )
                    return


TARGET = Ipvs()

"""The ipvs target: IPVS virtual servers, the ipsets and few rules that they need, and the device for their vips.

Everything is data (virtual servers, set elements, addresses) but for about twenty rules. Loading the parts by hand, in
their order, gives a working node; loading them again is harmless, but adds nothing that was taken away:

* ``ip`` complains that the device exists (``-force`` goes on),
* ``ipvsadm`` complains about what exists, goes on, and changes nothing of it,
* ``iptables`` repeats its jumps from the built-in chains.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.features import Feature
from svcc.kernel.ipset.sets import parse_sets, sets_text
from svcc.kernel.ipvs.servers import servers_text
from svcc.kernel.link.devices import devices_text
from svcc.kernel.modules import modules_text
from svcc.kernel.requirements import IP, IPSET, IPTABLES, IPVSADM, SYSCTL
from svcc.kernel.sysctl import parameters, sysctl_text
from svcc.kernel.xtables.objects import Script
from svcc.kernel.xtables.state import printed
from svcc.targets import vip_device
from svcc.targets.interface import Accepted, Artifact, Bundle, Part, Target
from svcc.targets.ipvs import host, limits, rules
from svcc.targets.ipvs.meaning import Purposes
from svcc.targets.ipvs.read import read
from svcc.targets.ipvs.sets import Purpose, purpose_of
from svcc.targets.ipvs.state import FamilyState, families
from svcc.targets.reading import Text, compare

_MODULES = Part("modules", "modules.conf", "xargs -n1 modprobe")
_IPSET = Part("ipset", "ipset.restore", "ipset -exist restore")
_IPVSADM = Part("ipvsadm", "ipvsadm.rules", "ipvsadm -R", repeatable=False)
_IPTABLES = Part("iptables", "iptables.rules", "iptables-restore --noflush -w")
_IP6TABLES = Part("ip6tables", "ip6tables.rules", "ip6tables-restore --noflush -w")


#: What endpoints send it they send to an address of its own, from another of its own: no kernel takes that.
_NOT_THE_NODE = "not for clients on the node itself"


class Ipvs(Target):
    """See the module."""

    name = "ipvs"
    translates = False
    title = "IPVS virtual servers with ipsets, for ipvsadm, ipset, ip, sysctl and iptables-restore"
    affinity_ends_in_time = False  # it lasts while a connection under it is remembered (ip_vs_conn_expire)
    sets = Purposes()
    tools = (IPVSADM, IPSET, IP, SYSCTL, *IPTABLES)
    modules = ("ip_vs", "dummy", "nf_conntrack")
    default_scheduler = ir.Scheduler.RR  # wrr where weights differ: turns as well
    parts = (_MODULES, vip_device.SYSCTL, vip_device.IP, _IPSET, _IPVSADM, _IPTABLES, _IP6TABLES)
    features: ClassVar[Mapping[Feature, str]] = {
        Feature.VIP: "",
        Feature.EXTERNAL_IP: "",
        Feature.SHARED: "",
        Feature.ANNOUNCE: vip_device.ANNOUNCED,
        Feature.NODE_PORT: "on the addresses that the node is declared with",
        Feature.NODE_PORT_ADDRESSES: "",
        Feature.ALLOW_FROM: "",
        Feature.SCTP: "",
        Feature.PORT_RANGE: f"one virtual server per port; at most {limits.RANGE_PORTS} ports",
        Feature.PORT_RANGE_SHIFT: f"one virtual server per port; at most {limits.RANGE_PORTS} ports",
        Feature.WEIGHT: "",
        Feature.ENDPOINT_PORT: "",
        Feature.BACKUP: "",
        Feature.AFFINITY: "ends 2 minutes after the client's last connection at the earliest",
        Feature.EXTERNAL_LOCAL: "",
        Feature.INTERNAL_LOCAL: "",
        Feature.EXTERNAL_PREFER_LOCAL: "",
        Feature.INTERNAL_PREFER_LOCAL: "",
        Feature.EXTERNAL_PREFER_ZONE: "",
        Feature.INTERNAL_PREFER_ZONE: "",
        Feature.MASQUERADE_ALWAYS: "",
        Feature.MASQUERADE_NEVER: "",
        Feature.FORWARD_DIRECT: _NOT_THE_NODE,
        Feature.FORWARD_TUNNEL: _NOT_THE_NODE,
        Feature.WHEN_EMPTY_DROP: "",
        Feature.WHEN_EMPTY_DRAINING: "",
        Feature.SCHEDULER_RR: "the default where weights are equal",
        Feature.SCHEDULER_WRR: "the default where weights differ",
        Feature.SCHEDULER_SH: "with sh-fallback",
        Feature.SCHEDULER_DH: "where every endpoint serves: none draining or backup, nobody preferred",
        Feature.SCHEDULER_LC: "",
        Feature.SCHEDULER_WLC: "",
        Feature.SCHEDULER_LBLC: "",
        Feature.SCHEDULER_LBLCR: "",
        Feature.SCHEDULER_SED: "",
        Feature.SCHEDULER_NQ: "",
        Feature.SCHEDULER_FO: "",
        Feature.SCHEDULER_OVF: "refuses clients when every endpoint has as many connections as its weight",
        Feature.SCHEDULER_MH: "",
        Feature.SCHEDULER_TWOS: "Linux 5.14",
    }

    def render(self, program: ir.Program, node: ir.Node | None) -> Bundle:
        artifacts = _artifacts(program.cluster, families(program, node))
        return Bundle(self.name, node.name if node else None, artifacts)

    def exclusive_addresses(self, bundle: Bundle) -> Iterator[ir.Address]:
        artifact = bundle.artifact(_IPSET.name)
        if artifact is not None:
            made = artifact.state if isinstance(artifact.state, dict) else parse_sets(artifact.text)
            for name, one in made.items():
                if purpose_of(name) is Purpose.SERVICE_IP:
                    yield from map(ip_address, one.elements)

    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        cluster, state = read(texts)
        artifacts = _artifacts(cluster, state)
        for artifact in artifacts:
            compare(artifact.part.name, texts[artifact.part.name], artifact.text)
        device = cluster.vip_device if any(family.addresses for family in state) else None
        return Accepted(artifacts, cluster.prefix if state else None, device)

    def limits(self, program: ir.Program, node: ir.Node | None) -> Iterator[Diagnostic]:
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


def _artifacts(cluster: ir.Cluster, state: list[FamilyState]) -> tuple[Artifact, ...]:
    """The parts, in load order: all of them follow from the state, and a few settings of the cluster."""
    if not state:
        return tuple(Artifact(part, "") for part in Ipvs.parts)
    modules = host.modules(cluster.vip_device, state)
    settings = [*host.settings(cluster.vip_device, state)]
    device = vip_device.carrying(cluster.vip_device, cluster.prefix, host.held(state))
    devices = {device.name: device} if device else {}
    sets = {one.name: one for family in state for one in family.sets.values()}
    servers = {server.key: server for family in state for server in family.servers}
    return (
        Artifact(_MODULES, modules_text(modules), modules),
        Artifact(vip_device.SYSCTL, sysctl_text(settings), parameters(settings)),
        Artifact(vip_device.IP, devices_text(devices.values()), devices),
        Artifact(_IPSET, sets_text(sets.values()), sets),
        Artifact(_IPVSADM, servers_text(servers.values()), servers),
        Artifact(_IPTABLES, *printed(_script(cluster, 4, state), cluster.prefix)),
        Artifact(_IP6TABLES, *printed(_script(cluster, 6, state), cluster.prefix)),
    )


def _script(cluster: ir.Cluster, version: int, state: list[FamilyState]) -> Script:
    family = next((one for one in state if one.version == version), None)
    return rules.script(cluster, version, family.sets) if family else Script()


TARGET = Ipvs()

"""What the kernel does: which rules it applies to a packet, in which order, and where it routes the packet in between.

The order is netfilter's (include/uapi/linux/netfilter_ipv4.h): the stages of a hook run by priority. Address
translation has a place of its own, whatever the priorities of its chains: these order the chains among themselves
(nf_nat_core.c). IPVS takes packets that arrive at the end of INPUT, and the node's own in OUTPUT before its filter;
what it sends on passes OUTPUT and POSTROUTING (ip_vs_core.c, ip_vs_xmit.c).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import itemgetter
from typing import Protocol, TypeAlias

from svcc.compiler import ir
from svcc.verify.packet import Refusal, Vantage
from svcc.verify.trace.chains import Chain, Final, walk
from svcc.verify.trace.flow import LOOPBACK, SOME_DEVICE, Flow, Hook, Manip, Stopped
from svcc.verify.trace.host import Host

CONNTRACK = -200
NAT_DESTINATION = -100
NAT_SOURCE = 100


class ChainType(StrEnum):
    """The type of a base chain: nat sees only the first packet of a connection."""

    FILTER = "filter"
    NAT = "nat"


@dataclass(frozen=True, slots=True)
class Base:
    """A base chain (or a built-in one): where it is called, and its policy."""

    hook: Hook
    priority: int
    kind: ChainType
    versions: frozenset[int]
    chains: Mapping[str, Chain]  # of its table
    chain: Chain
    policy: Final

    def run(self, flow: Flow) -> None:
        """Send the packet through the chain. Errors: Stopped."""
        walk(self.chains, self.chain, flow, self.policy)


#: A stage of a hook. It returns True where it took the packet away.
Stage: TypeAlias = Callable[[Flow], bool | None]

#: The priorities of IPVS in its hooks (NF_IP_PRI_NAT_SRC - 1, NF_IP_PRI_NAT_DST + 2).
_BALANCING = {Hook.INPUT: NAT_SOURCE - 1, Hook.OUTPUT: NAT_DESTINATION + 2}


class VirtualServers(Protocol):
    """IPVS, as the kernel calls it."""

    def take(self, flow: Flow) -> bool:
        """Choose a real server for the packet. Return False where no virtual service is for it.

        Errors: Stopped, where the service has no server.
        """


@dataclass(slots=True)
class Kernel:
    """A node with everything that artifacts loaded into it."""

    host: Host
    bases: list[Base] = field(default_factory=list)
    balancer: VirtualServers | None = None
    _stages: dict[tuple[Hook, int], list[Stage]] = field(default_factory=dict)
    #: By number and family of the address: the device, and the step's text.
    _routes: dict[tuple[int, int], tuple[str, str]] = field(default_factory=dict)

    def walk(self, flow: Flow) -> Refusal | None:
        """Send the packet all the way. Return None where it is delivered or sent on, else how it was refused."""
        try:
            if flow.packet.vantage is Vantage.NODE:
                self._send(flow)
            else:
                self._receive(flow)
        except Stopped as stopped:
            return stopped.refusal
        return None

    # ---- the way through the hooks

    def _receive(self, flow: Flow) -> None:
        self._run(Hook.PREROUTING, flow)
        self._route(flow)
        if flow.going_out == LOOPBACK:
            flow.going_out = ""
            if self._run(Hook.INPUT, flow):
                self._send(flow)
            return
        self._run(Hook.FORWARD, flow)
        if flow.translated and not self.host.forwards(flow.version):
            flow.note("the node does not forward packets")
            raise Stopped(Refusal.DROP)
        self._leave(flow)

    def _send(self, flow: Flow) -> None:
        """Send out a packet of the node itself, or one that IPVS forwards."""
        flow.came_in = ""
        self._route(flow)
        if flow.tunnelled:
            return
        if self._run(Hook.OUTPUT, flow):
            self._send(flow)
            return
        self._route(flow, again=True)
        self._leave(flow)

    def _leave(self, flow: Flow) -> None:
        self._run(Hook.POSTROUTING, flow)
        if flow.going_out == LOOPBACK:
            flow.came_in, flow.going_out = LOOPBACK, ""
            self._receive(flow)
        elif flow.going_out != SOME_DEVICE:
            flow.note(f"lost behind {flow.going_out}, which leads nowhere")
            raise Stopped(Refusal.DROP)

    def _route(self, flow: Flow, *, again: bool = False) -> None:
        """Find the device by which the packet leaves. A packet that IPVS forwards goes to the real server."""
        before = flow.going_out
        to = flow.by_ipvs or flow.destination
        key = int(to), flow.version
        route = self._routes.get(key)
        if route is None:
            device = self.host.route(to)
            route = self._routes[key] = device, _routed(to, device)
        flow.going_out, said = route
        if again and flow.going_out == before:
            return
        flow.hook = "routing"
        flow.note(said)

    # ---- the stages of a hook

    def _run(self, hook: Hook, flow: Flow) -> bool:
        """Run a hook's stages. Return True where IPVS took the packet, which goes on to another destination."""
        stages = self._stages.get((hook, flow.version))
        if stages is None:
            stages = self._stages[hook, flow.version] = self._stages_of(hook, flow.version)
        for run in stages:
            flow.hook = hook
            if run(flow):
                return True
        return False

    def _stages_of(self, hook: Hook, version: int) -> list[Stage]:
        here = [base for base in self.bases if base.hook is hook and version in base.versions]
        stages: list[tuple[int, Stage]] = [(base.priority, base.run) for base in here if base.kind is not ChainType.NAT]
        translate = _Translate(hook, [base for base in here if base.kind is ChainType.NAT])
        if hook in (Hook.PREROUTING, Hook.OUTPUT):
            stages += [(CONNTRACK, _track), (NAT_DESTINATION, translate)]
        elif hook is not Hook.FORWARD:
            stages.append((NAT_SOURCE, translate))
        if self.balancer is not None and hook in _BALANCING:
            stages.append((_BALANCING[hook], self._balance))
        return [run for _, run in sorted(stages, key=itemgetter(0))]

    def _balance(self, flow: Flow) -> bool:
        if self.balancer is None or flow.by_ipvs is not None or not self.balancer.take(flow):
            return False
        if flow.packet.vantage is not Vantage.NODE and not self.host.forwards(flow.version):
            flow.note("the node does not forward the answers")
            raise Stopped(Refusal.DROP)
        if self.host.setting("net.ipv4.vs.conntrack") in (None, "0"):
            flow.tracked = False
        # For a real server on the node itself, the packet goes on in the same hook (ip_vs_nat_xmit).
        return self.host.route(flow.by_ipvs or flow.destination) != LOOPBACK


def _routed(to: ir.Address, device: str) -> str:
    where = {LOOPBACK: "is an address of the node", SOME_DEVICE: "goes out"}
    return f"{to} {where.get(device, device)}"


def _track(flow: Flow) -> None:
    """Set the connection state.

    Packets that IPVS forwards are not tracked again, and an INVALID segment belongs to no connection.
    """
    flow.tracked = flow.tracked or (flow.by_ipvs is None and flow.segment is None)


class _Translate:
    """The nat stage. For a connection's first packet its chains decide; later packets are translated as that one."""

    def __init__(self, hook: Hook, chains: list[Base]) -> None:
        self._manip = Manip.DESTINATION if hook in (Hook.PREROUTING, Hook.OUTPUT) else Manip.SOURCE
        self._chains = sorted(chains, key=lambda base: base.priority)

    def __call__(self, flow: Flow) -> None:
        manip = self._manip
        if not flow.tracked or manip in flow.settled:
            return
        if flow.binding is not None:
            flow.follow(flow.binding, manip)
        for base in self._chains:
            if manip in flow.settled:
                return
            base.run(flow)
        flow.settled.add(manip)

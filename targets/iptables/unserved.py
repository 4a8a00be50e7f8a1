"""filter: what becomes of a new connection to an address or node port of ours that nat sent to no endpoint.

nat cannot reject. What it rewrote, for us or for somebody else, is let through at once; the destination of all else is
as the client wrote it. At a vip or external ip nothing is served but its declared ports: the rest is rejected, whatever
the host has there. Of a shared address the declared ports alone are ours. Only TCP, UDP and SCTP are: pings, tunnels
and routing protocols pass.

A TCP segment that connection tracking calls INVALID (:mod:`svcc.targets.iptables.invalid`) is not answered at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, service_label
from svcc.kernel.xtables.objects import DROP, Chain, Goto, Proto, Reject, Rule, Verdict, from_
from svcc.targets.iptables.dispatch import PortRule
from svcc.targets.iptables.invalid import INVALID
from svcc.targets.iptables.names import Names

_UNREACHABLE = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}


class Unserved:
    """The rules for what one family's frontends refuse. Exclusive addresses have none for what is just rejected."""

    def __init__(self, names: Names, frontends: Iterable[Frontend]) -> None:
        self._names = names
        self._sources: dict[str, Chain] = {}
        self.addresses: dict[ir.Address, list[PortRule]] = {}
        self.node_ports: list[PortRule] = []
        self.shared: set[ir.Address] = set()
        for f in frontends:
            rules = self.node_ports if f.address is None else self.addresses.setdefault(f.address, [])
            if f.shared and f.address is not None:
                self.shared.add(f.address)
            verdict = self._verdict(f)
            if verdict is None:
                if f.shared and f.port.protocol is ir.Protocol.TCP:
                    rules.append(PortRule(f.port.protocol, f.ports, DROP, (INVALID,)))
            elif f.address is None or f.shared or verdict != self.reject:
                rules.append(PortRule(f.port.protocol, f.ports, verdict))

    @property
    def reject(self) -> Verdict:
        return Goto(self._names.reject)

    def sources(self) -> list[Chain]:
        """The chains that tell who is rejected and who is dropped."""
        return [self._sources[name] for name in sorted(self._sources, reverse=True)]

    def rejections(self, version: int) -> Chain:
        """The chain that :attr:`reject` leads to."""
        tcp, unreachable = Proto(ir.Protocol.TCP), Reject(_UNREACHABLE[version])
        portless = (Rule((Proto(protocol),), unreachable) for protocol in (ir.Protocol.UDP, ir.Protocol.SCTP))
        return Chain(self._names.reject, (Rule((tcp, INVALID), DROP), Rule((tcp,), Reject("tcp-reset")), *portless))

    def _verdict(self, f: Frontend) -> Verdict | None:
        """None: nat serves everybody who may come."""
        if not f.restricted:
            if f.endpoints:
                return None
            return DROP if f.service.when_empty is ir.WhenEmpty.DROP else self.reject
        if f.endpoints or not f.allow_from or f.service.when_empty is ir.WhenEmpty.DROP:
            return DROP
        name = self._names.sources(service_label(f.service))
        allowed = [Rule(from_(network), self.reject) for network in f.allow_from]
        self._sources.setdefault(name, Chain(name, (*allowed, Rule((), DROP))))
        return Goto(name)

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
from svcc.kernel.xtables.matches import Proto, from_
from svcc.kernel.xtables.script import Chain, Rule
from svcc.kernel.xtables.verdicts import DROP, RETURN, Goto, Reject, Verdict
from svcc.targets.iptables.dispatch import PortRule
from svcc.targets.iptables.invalid import INVALID
from svcc.targets.iptables.names import Names

_UNREACHABLE = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}


class Unserved:
    """The rules for what one service's frontends refuse in one family. Exclusive addresses have none for what is just
    rejected. Addresses are numbers, as in :class:`svcc.targets.iptables.services.Services`; only those with rules are
    here."""

    def __init__(self, names: Names, frontends: Iterable[Frontend]) -> None:
        self._names = names
        self.sources: dict[str, Chain] = {}  # that tell who is rejected and who is dropped
        self.addresses: dict[int, list[PortRule]] = {}
        self.node_ports: list[PortRule] = []
        for f in frontends:
            verdict = self._verdict(f)
            if verdict is None:
                if f.shared and f.port.protocol is ir.Protocol.TCP:
                    self._at(f).append(PortRule(f.port.protocol, f.ports, DROP, (INVALID,)))
            elif f.address is None or f.shared or verdict != self.reject:
                self._at(f).append(PortRule(f.port.protocol, f.ports, verdict))

    def _at(self, f: Frontend) -> list[PortRule]:
        return self.node_ports if f.address is None else self.addresses.setdefault(int(f.address), [])

    @property
    def reject(self) -> Verdict:
        """What becomes of a packet that no service takes."""
        return Goto(self._names.reject)

    @property
    def rejects(self) -> bool:
        """Whether any of these rules leads to the chain that rejects."""
        ports = (*self.node_ports, *(rule for rules in self.addresses.values() for rule in rules))
        sources = (rule for chain in self.sources.values() for rule in chain.rules)
        return any(rule.verdict == self.reject for rule in ports) or any(
            rule.verdict == self.reject for rule in sources
        )

    def _verdict(self, f: Frontend) -> Verdict | None:
        """None: nat serves everybody who may come."""
        if not f.restricted:
            if f.endpoints:
                return None
            return DROP if f.service.when_empty is ir.WhenEmpty.DROP else self.reject
        own = f.address is None and any(f.target(endpoint) == f.ports.first for endpoint in f.endpoints)
        drops = f.endpoints or f.service.when_empty is ir.WhenEmpty.DROP
        if not f.allow_from or (drops and not own):
            return DROP
        # To an endpoint that is the address and port which the client asked for, nat changes nothing, and says so.
        name = self._names.sources(service_label(f.service))
        allowed = [Rule(from_(network), RETURN if own else self.reject) for network in f.allow_from]
        self.sources.setdefault(name, Chain(name, (*allowed, Rule((), DROP))))
        return Goto(name)


def rejections(names: Names, version: int) -> Chain:
    """The chain that rejects."""
    tcp, unreachable = Proto(ir.Protocol.TCP), Reject(_UNREACHABLE[version])
    portless = (Rule((Proto(protocol),), unreachable) for protocol in (ir.Protocol.UDP, ir.Protocol.SCTP))
    return Chain(names.reject, (Rule((tcp, INVALID), DROP), Rule((tcp,), Reject("tcp-reset")), *portless))

"""The filter table's rules for new connections to our addresses and node ports that nat sent to no endpoint.

nat cannot reject. What it rewrote, for us or for somebody else, passes at once; all other packets still have the
destination that the client wrote. At a vip or external ip only declared ports are served: the rest is rejected,
whatever the host serves there. Of a shared address only the declared ports are ours. This is about TCP, UDP and SCTP
alone: pings, tunnels and routing protocols pass.

A TCP segment that connection tracking calls INVALID (:mod:`svcc.targets.iptables.invalid`) gets no answer at all.
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
    """The rules for what one service's frontends refuse in one family. An exclusive address needs no rule for ports
    that are simply rejected. Addresses are numbers, as in :class:`svcc.targets.iptables.services.Services`; only those
    with rules are here.
    """

    def __init__(self, names: Names, frontends: Iterable[Frontend]) -> None:
        self._names = names
        self.sources: dict[str, Chain] = {}  # the chains that decide who is rejected and who is dropped
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
        """The verdict on a packet that no service takes."""
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
        """Return the verdict on packets that nat sent nowhere.

        Return None where nat serves all clients that may connect.
        """
        if not f.restricted:
            if f.endpoints:
                return None
            return DROP if f.service.when_empty is ir.WhenEmpty.DROP else self.reject
        own = f.address is None and any(f.target(endpoint) == f.ports.first for endpoint in f.endpoints)
        drops = f.endpoints or f.service.when_empty is ir.WhenEmpty.DROP
        if not f.allow_from or (drops and not own):
            return DROP
        # Where an endpoint is the very address and port that the client asked for, nat changes nothing, and the
        # connection does not count as translated.
        name = self._names.sources(service_label(f.service))
        allowed = [Rule(from_(network), RETURN if own else self.reject) for network in f.allow_from]
        self.sources.setdefault(name, Chain(name, (*allowed, Rule((), DROP))))
        return Goto(name)


def rejections(names: Names, version: int) -> Chain:
    """Return the chain that rejects."""
    tcp, unreachable = Proto(ir.Protocol.TCP), Reject(_UNREACHABLE[version])
    portless = (Rule((Proto(protocol),), unreachable) for protocol in (ir.Protocol.UDP, ir.Protocol.SCTP))
    return Chain(names.reject, (Rule((tcp, INVALID), DROP), Rule((tcp,), Reject("tcp-reset")), *portless))

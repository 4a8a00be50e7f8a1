"""nat: ``snat``, the addresses that the source of a service's connections becomes, where it is rewritten.

A packet that leaves has an endpoint as its destination; what its connection was opened to is known to connection
tracking. The chains that find a service by it are those that find one by a packet's destination, asked in another way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend
from svcc.kernel.addresses import text_of
from svcc.kernel.xtables.objects import Chain, Jump, Masquerade, Match, OpenedTo, Proto, Rule, Snat, To, Verdict
from svcc.targets.iptables.dispatch import PortRule, Walk, at_address, by_address, by_port, tree
from svcc.targets.iptables.names import Names


@dataclass(frozen=True, slots=True)
class _Branches(Names):
    """The names of branches that are asked in this way."""

    def at(self, place: str) -> str:
        return self.sources_at(place)


def sources(cluster: ir.Cluster, names: Names, frontends: Sequence[Frontend], version: int) -> list[Chain]:
    """The chains, each after those that it leads to, the last one first met; none where no service has addresses."""
    node_ports = [_rule(f, _snat(f)) for f in frontends if f.address is None and f.snat]
    addresses: dict[ir.Address, list[PortRule]] = {}
    for f in frontends:
        if f.address is not None and (f.snat or any(_overlap(f, rule) for rule in node_ports)):
            addresses.setdefault(f.address, []).append(_rule(f, _snat(f)))
    if not node_ports and not any(f.snat for f in frontends):
        return []
    branches = _Branches(names.prefix)
    walks = {address: at_address(branches, address, rules, None) for address, rules in addresses.items()}
    led = by_address(branches, tree(addresses), walks)
    local = _at_node(cluster, branches, node_ports, version)
    chains = [Chain(chain.name, tuple(map(_asked, chain.rules))) for chain in (*led.chains, *local.chains)]
    return [*chains, Chain(names.snat, tuple(map(_asked, (*led.rules, *local.rules))))]


def _snat(f: Frontend) -> Verdict:
    """What has no addresses of its own stands here where a node port's would be taken for it."""
    return Masquerade() if f.snat is None else Snat(*map(text_of, f.snat))


def _rule(f: Frontend, verdict: Verdict) -> PortRule:
    return PortRule(f.port.protocol, f.ports, verdict)


def _overlap(f: Frontend, rule: PortRule) -> bool:
    return f.port.protocol is rule.protocol and f.ports.overlaps(rule.ports)


def _at_node(cluster: ir.Cluster, names: Names, rules: Iterable[PortRule], version: int) -> Walk:
    """Node ports. That the address was one of the node's own nobody can tell any more."""
    walk = by_port(names, rules)
    networks = [network for network in cluster.nodeport_addresses if network.version == version and network.prefixlen]
    if not networks or not walk.rules:
        return walk
    chain = Chain(names.at("nodeports"), walk.rules)
    return Walk(tuple(Rule((To(network),), Jump(chain.name)) for network in networks), (*walk.chains, chain))


def _asked(rule: Rule) -> Rule:
    """The same of what the connection was opened to."""
    return Rule(tuple(_opened_to(rule.matches)), rule.verdict)


def _opened_to(matches: tuple[Match, ...]) -> Iterator[Match]:
    destination = next((match.destination for match in matches if isinstance(match, To)), None)
    protocol = next((match for match in matches if isinstance(match, Proto)), None)
    if protocol is not None:
        yield Proto(protocol.protocol)
    yield OpenedTo.of(destination, None if protocol is None else protocol.ports)

"""The nat table's chains for ``snat``: the addresses that replace the source of a service's connections.

A packet that leaves has an endpoint as its destination, but connection tracking still knows the address and port that
the client connected to. The chains that find a service by them have the same form as those that find one by a packet's
destination; only the matches differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend
from svcc.kernel.addresses import text_of
from svcc.kernel.xtables.matches import Match, OpenedTo, Proto, To
from svcc.kernel.xtables.script import Chain, Rule
from svcc.kernel.xtables.verdicts import Jump, Masquerade, Snat
from svcc.targets.iptables.dispatch import PortRule, Walk, by_port
from svcc.targets.iptables.names import Names


@dataclass(frozen=True, slots=True)
class _Branches(Names):
    """The names of the branches whose matches ask connection tracking."""

    def at(self, place: str) -> str:
        return self.sources_at(place)


def branches(names: Names) -> Names:
    """Return the names of the branches on the way to new sources."""
    return _Branches(names.prefix)


def rewritten(frontends: Iterable[Frontend]) -> tuple[dict[int, list[PortRule]], list[PortRule]]:
    """Return the rules for those of one service's ports whose connections get another source: at its addresses, which
    are numbers here, and at the node.
    """
    addresses: dict[int, list[PortRule]] = {}
    node: list[PortRule] = []
    for f in frontends:
        if f.snat:
            rules = node if f.address is None else addresses.setdefault(int(f.address), [])
            rules.append(PortRule(f.port.protocol, f.ports, Snat(*map(text_of, f.snat))))
    return addresses, node


def beside(rules: Iterable[PortRule], own: Iterable[PortRule], node: Iterable[PortRule]) -> list[PortRule]:
    """Return ``own``, the rules of one address, and rules that masquerade those of its other ports (in ``rules``) that
    would be mistaken for a node port in ``node``: these have no new source.
    """
    found = list(own)
    there = {(rule.protocol, rule.ports) for rule in found}
    others = [rule for rule in rules if (rule.protocol, rule.ports) not in there]
    if others:
        at_node = list(node)
        found += [
            PortRule(rule.protocol, rule.ports, Masquerade())
            for rule in others
            if any(_overlap(rule, one) for one in at_node)
        ]
    return found


def _overlap(rule: PortRule, other: PortRule) -> bool:
    return rule.protocol is other.protocol and rule.ports.overlaps(other.ports)


def at_node(cluster: ir.Cluster, names: Names, rules: Iterable[PortRule], version: int) -> Walk:
    """Return the rules for node ports.

    At this point nobody can tell any more whether the address was one of the node's own.
    """
    walk = by_port(names, rules)
    networks = [network for network in cluster.nodeport_addresses if network.version == version and network.prefixlen]
    if not networks or not walk.rules:
        return walk
    chain = Chain(names.at("nodeports"), walk.rules)
    return Walk(tuple(Rule((To(network),), Jump(chain.name)) for network in networks), (*walk.chains, chain))


def asked(chain: Chain) -> Chain:
    """Return the chain with matches for the address and port that connections were opened to."""
    return Chain(chain.name, tuple(map(asked_rule, chain.rules)))


def asked_rule(rule: Rule) -> Rule:
    """Return the rule with matches for the address and port that the connection was opened to."""
    return Rule(tuple(_opened_to(rule.matches)), rule.verdict)


def _opened_to(matches: tuple[Match, ...]) -> Iterator[Match]:
    destination = next((match.destination for match in matches if isinstance(match, To)), None)
    protocol = next((match for match in matches if isinstance(match, Proto)), None)
    if protocol is not None:
        yield Proto(protocol.protocol)
    yield OpenedTo.of(destination, None if protocol is None else protocol.ports)

"""What the services of one family need together, counted, so that a service can be removed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from svcc.compiler import ir
from svcc.kernel.addresses import Address
from svcc.kernel.xtables.state import Rules
from svcc.targets.counting import count
from svcc.targets.iptables import invalid
from svcc.targets.iptables.contribution import FamilyContribution, Ports
from svcc.targets.iptables.dispatch import PortRule


class TablePorts:
    """The rules for the ports of all services in one table. An address without rules is not in it."""

    def __init__(self) -> None:
        self.addresses: dict[int, tuple[PortRule, ...]] = {}
        self.node: Counter[PortRule] = Counter()

    def add(self, ports: Ports) -> None:
        """Add the rules of one service's ports. A rule that two services add is in it twice."""
        for address, rules in ports.addresses.items():
            if rules:
                self.addresses[address] = (*self.addresses.get(address, ()), *rules)
        count(self.node, ports.node, 1)

    def remove(self, ports: Ports) -> None:
        """Remove the rules of one service's ports, which were added before."""
        for address, going in ports.addresses.items():
            rules = list(self.addresses.pop(address, ()))
            for rule in going:
                rules.remove(rule)
            if rules:
                self.addresses[address] = tuple(rules)
        count(self.node, ports.node, -1)


class Total:
    """What all services of one family need. A thing that nobody needs is not in it."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.parts = 0
        self.balance: dict[str, Rules] = {}  # the services' own chains, by name, as in FamilyContribution
        self.sources: dict[str, Rules] = {}
        self.external: dict[str, Rules] = {}
        self.refused: dict[str, Rules] = {}
        self.marking: Counter[str] = Counter()
        self.addresses: Counter[int] = Counter()
        self.shared: Counter[Address] = Counter()
        self.served, self.unserved, self.rewritten = TablePorts(), TablePorts(), TablePorts()
        self.rejecting = 0
        self.sent: Counter[ir.PortRange] = Counter()
        self.tcp, self.tcp_at_node = 0, 0
        # how many distinct endpoint addresses outside the pod networks have each head
        self.heads: Counter[int] = Counter()
        self._endpoints: Counter[int] = Counter()

    def add(self, part: FamilyContribution) -> None:
        """Add what one service contributes."""
        for mine, theirs in self._own(part):
            mine.update(theirs)
        for together, ports in self._ports(part):
            together.add(ports)
        for one in part.segments.endpoints:
            if one not in self._endpoints:
                self.heads[invalid.head(one, self.version)] += 1
        self._count(part, 1)

    def remove(self, part: FamilyContribution) -> None:
        """Remove what one service contributes, which was added before."""
        for mine, theirs in self._own(part):
            for name in theirs:
                del mine[name]
        for together, ports in self._ports(part):
            together.remove(ports)
        self._count(part, -1)
        gone = (one for one in part.segments.endpoints if one not in self._endpoints)
        count(self.heads, [invalid.head(one, self.version) for one in gone], -1)

    def _count(self, part: FamilyContribution, by: int) -> None:
        count(self.marking, part.marking, by)
        count(self.addresses, part.addresses, by)
        count(self.shared, part.shared, by)
        count(self.sent, part.segments.ports, by)
        count(self._endpoints, part.segments.endpoints, by)
        self.parts += by
        self.rejecting += by * part.rejects
        self.tcp += by * part.segments.tcp
        self.tcp_at_node += by * part.segments.at_node

    def _own(self, part: FamilyContribution) -> Iterable[tuple[dict[str, Rules], Mapping[str, Rules]]]:
        return (
            (self.balance, part.balance),
            (self.sources, part.sources),
            (self.external, part.external),
            (self.refused, part.refused),
        )

    def _ports(self, part: FamilyContribution) -> Iterable[tuple[TablePorts, Ports]]:
        return (self.served, part.served), (self.unserved, part.unserved), (self.rewritten, part.rewritten)

    @property
    def rejects(self) -> bool:
        """Whether services lead packets to the chain that rejects: at least those to other ports of unshared
        addresses.
        """
        return bool(self.rejecting) or len(self.shared) < len(self.addresses)

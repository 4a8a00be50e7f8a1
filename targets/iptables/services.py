"""The nat table's chains for the services' ports, and which of them their frontends lead to.

``SVC`` holds the choice among endpoints. It belongs to the vips: rules about the clients of a vip come before the
choice. External ips and node ports lead there too, by way of an ``EXT`` chain, which decides who may use them and marks
what is to be masqueraded. Where these need a choice of their own (``traffic`` gives them other endpoints, or a vip's
mark would be wrong for them), the ``EXT`` chain holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, Kind, Rewrite, service_label
from svcc.kernel.xtables.matches import COMMENT, Comment, from_
from svcc.kernel.xtables.script import Rule, rule_texts
from svcc.kernel.xtables.state import Rules
from svcc.kernel.xtables.verdicts import ACCEPT, RETURN, Goto, Jump
from svcc.targets.iptables.choice import choice
from svcc.targets.iptables.dispatch import PortRule
from svcc.targets.iptables.names import Names
from svcc.targets.naming import comment


class Services:
    """The chains of one service's frontends in one family, and the rules that lead to them.

    Addresses are numbers here, because looking up objects of :mod:`ipaddress` takes long.
    """

    def __init__(self, names: Names, frontends: Iterable[Frontend]) -> None:
        self._names = names
        self.balance: dict[str, Rules] = {}
        self.sources: dict[str, Rules] = {}
        self.external: dict[str, Rules] = {}
        self.marking: set[str] = set()  # the chains that mark, and that clients are sent through
        self.named: dict[int, ir.Address] = {}  # all addresses, by number
        self.addresses: dict[int, list[PortRule]] = {}
        self.node_ports: list[PortRule] = []
        self.shared: set[ir.Address] = set()
        for _, group in groupby(frontends, key=lambda f: (id(f.service), id(f.port))):
            self._add_port(list(group))

    def _add_port(self, frontends: list[Frontend]) -> None:
        """Add all frontends of one port of a service."""
        label = frontends[0].label
        ways = self._ways(frontends, label)
        for f in frontends:
            if f.address is None:
                rules = self.node_ports
            else:
                number = int(f.address)
                self.named[number] = f.address
                rules = self.addresses.setdefault(number, [])
                if f.shared:
                    self.shared.add(f.address)
            chain = ways.get(f.kind)
            if chain is None:  # nobody is served, and rules of others that follow must not serve them either
                rules.append(PortRule(f.port.protocol, f.ports, ACCEPT))
                continue
            remark = () if chain.endswith(label) else (Comment(comment(label, COMMENT)),)
            rules.append(PortRule(f.port.protocol, f.ports, Goto(chain), remark))

    def _ways(self, frontends: list[Frontend], label: str) -> dict[Kind, str]:
        """Return the chain that each kind of frontend leads to; none where nobody is to be served."""
        lead = frontends[0]
        main = self._names.balance(label)
        front = self._marks(lead) if lead.kind is Kind.VIP else []
        ways: dict[Kind, str] = {}
        before: dict[str, list[Rule]] = {main: front}
        choosing: dict[str, list[Frontend]] = {}
        for f in {f.kind: f for f in reversed(frontends)}.values():
            if not f.endpoints or (f.restricted and not f.allow_from):
                continue
            rules = self._source_check(f) + self._marks(f)
            shares = _same_choice(f, lead) and (not front or f.rewrite in (lead.rewrite, Rewrite.EVERYBODY))
            ways[f.kind] = main if shares and rules == front else self._names.external(label)
            before[ways[f.kind]] = rules
            choosing.setdefault(main if shares else ways[f.kind], []).append(f)
        for name in dict.fromkeys((*choosing, *ways.values())):
            there = name in choosing
            rest = choice(choosing[name], self._memory(lead.service, name)) if there else [str(Goto(main))]
            chains = self.balance if name == main else self.external
            chains[name] = (*rule_texts(before[name]), *rest)
            self.marking.update(self._marking(before[name]))
        return ways

    def _memory(self, service: ir.Service, chain: str) -> str:
        """Return what client lists are named after: their chain, or the service where all of its chains share them."""
        return self._names.clients(service_label(service)) if service.affinity_per_service else chain

    def _marking(self, rules: list[Rule]) -> Iterator[str]:
        for _, verdict in rules:
            if isinstance(verdict, Jump) and verdict.chain in (self._names.mark, self._names.outside):
                yield verdict.chain

    def _marks(self, f: Frontend) -> list[Rule]:
        """Return the rules that mark clients of a frontend."""
        if f.rewrite is Rewrite.NOBODY:
            return []
        if f.rewrite is Rewrite.NETWORKS:
            return [Rule(from_(network), Jump(self._names.mark)) for network in f.rewrite_from]
        return [Rule((), Jump(self._names.mark if f.rewrite is Rewrite.EVERYBODY else self._names.outside))]

    def _source_check(self, f: Frontend) -> list[Rule]:
        """Return the rule that sends a frontend's clients to the check of ``allow-from``. Those that it keeps out leave
        nat here, also unseen by others' rules, and meet the filter table.
        """
        if not f.restricted:
            return []
        name = self._names.sources(service_label(f.service))
        if name not in self.sources:
            allowed = [Rule(from_(network), RETURN) for network in f.allow_from]
            self.sources[name] = rule_texts((*allowed, Rule((), ACCEPT)))
        return [Rule((), Jump(name))]


def _same_choice(a: Frontend, b: Frontend) -> bool:
    """Whether two frontends always have the same endpoints, whichever endpoints come and go."""
    return _traffic(a) is _traffic(b)


def _traffic(f: Frontend) -> ir.Traffic:
    return f.service.internal_traffic if f.kind is Kind.VIP else f.service.external_traffic

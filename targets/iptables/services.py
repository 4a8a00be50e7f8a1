"""nat: the chains of the services' ports, and which of them their frontends lead to.

``SVC`` holds the choice among endpoints. It belongs to the vips: what depends on who comes through a vip stands before
the choice. External ips and node ports go there too; an ``EXT`` chain on the way says who may use them and marks what
is to be masqueraded. Where they need a choice of their own (``traffic`` gives them other endpoints, or a vip's mark
would be wrong for them), ``EXT`` holds it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, Kind, Rewrite, service_label
from svcc.kernel.xtables.objects import ACCEPT, COMMENT, RETURN, Chain, Comment, Goto, Jump, Rule, from_
from svcc.targets.iptables.choice import choice
from svcc.targets.iptables.dispatch import PortRule
from svcc.targets.iptables.names import Names
from svcc.targets.naming import comment


class Services:
    """The chains of one service's frontends in one family, and the rules that lead to them."""

    def __init__(self, names: Names, frontends: Iterable[Frontend]) -> None:
        self._names = names
        self._marking: dict[Rewrite, list[Rule]] = {
            Rewrite.EVERYBODY: [Rule((), Jump(names.mark))],
            Rewrite.OUTSIDE_PODS: [Rule((), Jump(names.outside))],
            Rewrite.NOBODY: [],
        }
        self.balance: list[Chain] = []
        self.sources: dict[str, Chain] = {}
        self.external: list[Chain] = []
        self.addresses: dict[ir.Address, list[PortRule]] = {}
        self.node_ports: list[PortRule] = []
        self.shared: set[ir.Address] = set()
        for _, group in groupby(frontends, key=lambda f: (id(f.service), id(f.port))):
            self._add_port(list(group))

    def _add_port(self, frontends: list[Frontend]) -> None:
        """All frontends of one port of a service."""
        ways = self._ways(frontends)
        for f in frontends:
            rules = self.node_ports if f.address is None else self.addresses.setdefault(f.address, [])
            if f.shared and f.address is not None:
                self.shared.add(f.address)
            chain = ways.get(f.kind)
            if chain is None:  # nobody is served, by no rule of others' that follow either
                rules.append(PortRule(f.port.protocol, f.ports, ACCEPT))
                continue
            cut = not chain.endswith(f.label)
            remark = (Comment(comment(f.label, COMMENT)),) if cut else ()
            rules.append(PortRule(f.port.protocol, f.ports, Goto(chain), remark))

    def _ways(self, frontends: list[Frontend]) -> dict[Kind, str]:
        """The chain that each kind of frontend leads to; none where nobody is to be served."""
        lead = frontends[0]
        main = self._names.balance(lead.label)
        front = self._marks(lead) if lead.kind is Kind.VIP else []
        ways: dict[Kind, str] = {}
        before: dict[str, list[Rule]] = {main: front}
        choosing: dict[str, list[Frontend]] = {}
        for f in {f.kind: f for f in reversed(frontends)}.values():
            if not f.endpoints or (f.restricted and not f.allow_from):
                continue
            rules = self._source_check(f) + self._marks(f)
            shares = _same_choice(f, lead) and (not front or f.rewrite in (lead.rewrite, Rewrite.EVERYBODY))
            ways[f.kind] = main if shares and rules == front else self._names.external(f.label)
            before[ways[f.kind]] = rules
            choosing.setdefault(main if shares else ways[f.kind], []).append(f)
        onwards = [Rule((), Goto(main))]
        for name in dict.fromkeys((*choosing, *ways.values())):
            rest = choice(choosing[name], self._memory(lead.service, name)) if name in choosing else onwards
            chains = self.balance if name == main else self.external
            chains.append(Chain(name, (*before[name], *rest)))
        return ways

    def _memory(self, service: ir.Service, chain: str) -> str:
        """What lists of clients are named after: their chain, or the service that remembers for all of its chains."""
        return self._names.clients(service_label(service)) if service.affinity_per_service else chain

    def _marks(self, f: Frontend) -> list[Rule]:
        """Which clients of a frontend are marked."""
        if f.rewrite is Rewrite.NETWORKS:
            return [Rule(from_(network), Jump(self._names.mark)) for network in f.rewrite_from]
        return self._marking[f.rewrite]

    def _source_check(self, f: Frontend) -> list[Rule]:
        """Whom ``allow-from`` keeps out is done with nat here, others' rules included, and meets the filter table."""
        if not f.restricted:
            return []
        name = self._names.sources(service_label(f.service))
        if name not in self.sources:
            allowed = [Rule(from_(network), RETURN) for network in f.allow_from]
            self.sources[name] = Chain(name, (*allowed, Rule((), ACCEPT)))
        return [Rule((), Jump(name))]


def _same_choice(a: Frontend, b: Frontend) -> bool:
    """The same endpoints, whatever endpoints come and go."""
    return _traffic(a) is _traffic(b)


def _traffic(f: Frontend) -> ir.Traffic:
    return f.service.internal_traffic if f.kind is Kind.VIP else f.service.external_traffic

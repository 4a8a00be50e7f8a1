"""The nat and filter tables of one family: the services' own chains and the shared ones, kept up to date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address

from svcc.compiler.frontends import service_networks
from svcc.kernel.addresses import Address
from svcc.kernel.xtables.matches import CtState, To
from svcc.kernel.xtables.script import Chain, Rule, texts
from svcc.kernel.xtables.state import Rules, Table, Tables
from svcc.kernel.xtables.verdicts import RETURN, Goto, Jump
from svcc.targets.interface import Shared
from svcc.targets.iptables import invalid, masquerade, sources
from svcc.targets.iptables.contribution import FamilyContribution
from svcc.targets.iptables.dispatch import PortRule, Walk, at_address
from svcc.targets.iptables.names import Names
from svcc.targets.iptables.prefixes import Prefixes
from svcc.targets.iptables.script import at_node, but_loopback, entries, places
from svcc.targets.iptables.total import Total
from svcc.targets.iptables.tree import Tree
from svcc.targets.iptables.unserved import rejections

_NOWHERE = Walk((), ())


class Family:
    """The tables of one family."""

    def __init__(self, shared: Shared, version: int) -> None:
        self._cluster, self._version = shared.cluster, version
        self._own = shared.node.addresses if shared.node else ()
        self._names = names = Names(shared.cluster.prefix)
        self._networks = service_networks(shared.cluster, version)
        self._total = Total(version)
        bits = 32 if version == 4 else 128
        self._prefixes, self._rewritten_prefixes = Prefixes(bits), Prefixes(bits)
        self._nat, self._filter = Tree(names, self._prefixes), Tree(names, self._prefixes)
        self._rewritten = Tree(sources.branches(names), self._rewritten_prefixes)
        #: The walks to node ports: in nat, in the filter table, and to new sources.
        self._node, self._unserved_node, self._rewritten_node = _NOWHERE, _NOWHERE, _NOWHERE
        self._passing: list[Rule] = []
        self._printed: dict[tuple[str, str], tuple[Chain, Rules]] = {}

    @property
    def shape(self) -> tuple[bool, bool]:
        """Which tables there are."""
        return self._needs_tables, bool(self._unserved_rules)

    @property
    def _needs_tables(self) -> bool:
        return bool(self._total.parts or self._networks)

    # ---- changes

    def move(self, shared: Shared) -> None:
        """Go on as the tables of another node.

        The caller has to take services again that use an address of either node.
        """
        self._own = shared.node.addresses if shared.node else ()

    def take(self, old: Collection[FamilyContribution], new: Collection[FamilyContribution]) -> bool:
        """Replace the parts of some services. Return whether this changes only their own chains, the chains around
        their addresses, and the chains that are in every excerpt.
        """
        for part in old:
            self._total.remove(part)
        for part in new:
            self._total.add(part)
        parts = (*old, *new)
        touched = {number: address for part in parts for number, address in part.addresses.items()}
        if any(part.shared for part in parts):
            self._passing = self._shared_in_networks()
        local = self._dispatch(touched)
        local &= self._rewrite(touched, [part.rewritten.node for part in old], [part.rewritten.node for part in new])
        if any(part.shared or part.served.node or part.unserved.node for part in parts):
            self._find_node_ports()
        self.__dict__.pop("_unserved_rules", None)
        return local

    def _dispatch(self, touched: Mapping[int, Address]) -> bool:
        total, reject = self._total, Goto(self._names.reject)
        for number, address in touched.items():
            there = number in total.addresses
            _keep(self._prefixes, number, there)
            alone = not total.shared or address not in total.shared
            for tree, rules, other in (
                (self._nat, total.served.addresses.get(number, ()), RETURN),
                (self._filter, total.unserved.addresses.get(number, ()), reject),
            ):
                walk = at_address(self._names, address, rules, other if alone else None) if there else None
                tree.put(number, walk)
        # An address of ours alone has no node ports, even where this host holds it. At others, somebody else may
        # translate packets.
        self._nat.behind = Goto(self._names.local) if self._prefixes.branched else None
        return all([self._nat.refresh(), self._filter.refresh()])

    def _rewrite(
        self, touched: Iterable[int], old: Iterable[Sequence[PortRule]], new: Iterable[Sequence[PortRule]]
    ) -> bool:
        """Renew the walks to new sources, which depend on the node ports of all services with ``snat``. Return whether
        that is as local as in :meth:`take`.
        """
        total = self._total
        same = Counter(rule for rules in old for rule in rules) == Counter(rule for rules in new for rule in rules)
        names = sources.branches(self._names)
        some = bool(total.rewritten.addresses or total.rewritten.node)
        kind = IPv4Address if self._version == 4 else IPv6Address
        for number in touched if same else {*touched, *total.addresses}:
            if not some and number not in self._rewritten_prefixes:
                continue  # almost no address has any
            found = sources.beside(
                total.served.addresses.get(number, ()),
                total.rewritten.addresses.get(number, ()),
                total.rewritten.node,
            )
            _keep(self._rewritten_prefixes, number, bool(found))
            self._rewritten.put(number, at_address(names, kind(number), found, None) if found else None)
        if not same:
            self._rewritten_node = sources.at_node(self._cluster, names, total.rewritten.node, self._version)
        return self._rewritten.refresh() and same

    def _shared_in_networks(self) -> list[Rule]:
        shared = (one for one in self._total.shared if any(one in network for network in self._networks))
        return [Rule((To(address),), RETURN) for address in sorted(shared)]

    def _find_node_ports(self) -> None:
        others = sorted(address for address in self._total.shared if address not in self._own)
        self._node, self._unserved_node = (
            at_node(self._cluster, self._names, together.node, self._version, others)
            for together in (self._total.served, self._total.unserved)
        )

    # ---- tables

    def tables(self, parts: Collection[FamilyContribution] | None = None) -> Tables:
        """Return the tables. With ``parts``, only the chains of these services and the chains that lead to them."""
        if not self._needs_tables:
            return {}
        found = {"nat": self._table("nat", self._nat_chains(parts))}
        if self._unserved_rules:
            found["filter"] = self._table("filter", self._filter_chains(parts))
        return found

    def _table(self, name: str, chains: Iterable[Chain | tuple[str, Rules]]) -> Table:
        rules: dict[str, Rules] = {}
        for chain in chains:
            if isinstance(chain, Chain):
                rules[chain.name] = self._rules(name, chain)
            else:
                rules[chain[0]] = chain[1]
        ways = tuple(sorted((entry.hook, str(entry.rule)) for entry in entries(name, self._names)))
        return Table(rules, ways)

    def _rules(self, table: str, chain: Chain) -> Rules:
        """Return the texts of a chain's rules. Those of an unchanged chain are cached."""
        known = self._printed.get((table, chain.name))
        if known is None or known[0] is not chain:
            known = self._printed[table, chain.name] = chain, texts([chain])[chain.name]
        return known[1]

    def _nat_chains(self, parts: Collection[FamilyContribution] | None) -> Iterator[Chain | tuple[str, Rules]]:
        around = None if parts is None else _numbers(parts)
        yield from self._marking()
        yield from self._new_sources(around)
        total, node = self._total, self._node.chains
        if parts is None or around is None:
            for chains in (total.balance, total.sources, total.external):
                yield from sorted(chains.items(), reverse=True)
        else:
            own = {name for part in parts for chains in (part.balance, part.sources, part.external) for name in chains}
            node = node if any(part.shared or part.served.node for part in parts) else node[-1:]
            led = {*own, *_targets((*self._nat.on_the_way(around), *node)), *map(_target, self._nat_rules)}
            for chains in (total.balance, total.sources, total.external):
                yield from ((name, chains[name]) for name in sorted(led & chains.keys(), reverse=True))
        yield from node
        if self._nat.behind:
            yield Chain(self._names.local, self._node.rules)
        yield from self._nat.chains(around)
        yield Chain(self._names.services, self._nat_rules)

    @property
    def _nat_rules(self) -> tuple[Rule, ...]:
        return (*self._nat.rules, *self._node.rules)

    def _marking(self) -> Iterator[Chain]:
        names, bit = self._names, self._cluster.mark
        if names.mark in self._total.marking:
            yield masquerade.mark(names, bit)
        if names.outside in self._total.marking:
            pods = (pod for pod in self._cluster.pods if pod.version == self._version)
            yield masquerade.outside(names, bit, pods)

    def _new_sources(self, around: Collection[int] | None) -> Iterator[Chain]:
        """Yield the chain that masquerades, and before it the chains of :mod:`svcc.targets.iptables.sources`."""
        rules = (*self._rewritten.rules, *self._rewritten_node.rules)
        if rules:
            yield from map(sources.asked, (*self._rewritten.chains(around), *self._rewritten_node.chains))
            yield sources.asked(Chain(self._names.snat, rules))
        yield from masquerade.postrouting(self._names, self._cluster.mark, self._version, sources=bool(rules))

    def _filter_chains(self, parts: Collection[FamilyContribution] | None) -> Iterator[Chain | tuple[str, Rules]]:
        around = None if parts is None else _numbers(parts)
        total, node = self._total, self._unserved_node.chains
        if total.rejects or self._networks:
            yield rejections(self._names, self._version)
        if parts is None or around is None:
            yield from sorted(total.refused.items(), reverse=True)
        else:
            own = {name for part in parts for name in part.refused}
            node = node if any(part.shared or part.unserved.node for part in parts) else node[-1:]
            led = {*own, *_targets((*self._filter.on_the_way(around), *node)), *map(_target, self._unserved_rules)}
            yield from ((name, total.refused[name]) for name in sorted(led & total.refused.keys(), reverse=True))
        yield from self._invalid_chains
        yield from self._filter.chains(around)
        yield from node
        yield Chain(self._names.unserved, (Rule((CtState(("DNAT",)),), RETURN), *self._unserved_rules))

    @property
    def _invalid_chains(self) -> list[Chain]:
        """The chains for segments that connection tracking calls INVALID; none where no TCP port is served."""
        total = self._total
        if not total.tcp:
            return []
        before = but_loopback(self._cluster, self._version)
        at_node = invalid.at_node(self._cluster, before, places(self._cluster, self._version))
        networks = invalid.sources(self._cluster, total.heads, self._version)
        return invalid.chains(self._names, total.sent, networks, at_node if total.tcp_at_node else ())

    @cached_property
    def _unserved_rules(self) -> tuple[Rule, ...]:
        """The rules of the filter table's root. There are none where every packet of ours is served and none can be
        INVALID. Behind the addresses' own rules, addresses in the networks of service addresses that no service has are
        rejected; shared addresses pass here, because the rest of their traffic is for others.
        """
        reject = Goto(self._names.reject)
        return (
            *([invalid.entry(self._names)] if self._total.tcp else ()),
            *self._filter.rules,
            *self._unserved_node.rules,
            *(self._passing if self._networks else ()),
            *(Rule((To(network),), reject) for network in self._networks),
        )


def _keep(prefixes: Prefixes, number: int, there: bool) -> None:
    if there and number not in prefixes:
        prefixes.add(number)
    elif not there and number in prefixes:
        prefixes.remove(number)


def _numbers(parts: Iterable[FamilyContribution]) -> set[int]:
    return {number for part in parts for number in part.addresses}


def _target(rule: Rule) -> str:
    return rule.verdict.chain if isinstance(rule.verdict, Goto | Jump) else ""


def _targets(chains: Iterable[Chain]) -> set[str]:
    return {_target(rule) for chain in chains for rule in chain.rules}

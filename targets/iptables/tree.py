"""The chains that lead to an address, branching by its prefix. Those above a change are made anew.

What a change of the program changes in these chains:

* A chain's name comes from its prefix only, and its rules from the addresses below it. A new address adds lines to
  its own chain, or a new chain and the line that leads to it.
* In a chain of addresses their ports come first, and behind all of them what becomes of the rest of each address: a
  connection to a service compares about one rule of each address in front of its own, and not two.
* With the 17th address (or branch) of a family the root gets a new level below it: its lines move into chains, which
  keep their names from then on. Chains that were below the root before do not change.
* IPv6 addresses are far apart, and a chain for every four bits would mostly be chains with one line. There a chain
  exists only where addresses part, and a new address may put one between a line and the place that it led to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from svcc.compiler import ir
from svcc.kernel.xtables.matches import To
from svcc.kernel.xtables.script import Chain, Rule
from svcc.kernel.xtables.verdicts import Goto, Jump
from svcc.targets.iptables.dispatch import Walk
from svcc.targets.iptables.names import Names
from svcc.targets.iptables.prefixes import Prefix, Prefixes

#: The most levels of branches below the root. The nft variant allows at most 16 chains within chains
#: (NFT_JUMP_STACK_SIZE).
DEPTH = 8


@dataclass(frozen=True, slots=True)
class _Branch:
    """A chain of the tree, as it was made."""

    chain: Chain
    network: ir.Network
    nodes: tuple[Prefix, ...]
    depth: int  # the depth below the root, whose nodes have depth 1
    height: int  # how many levels of branches are below it

    def is_same_at(self, depth: int) -> bool:
        """Whether the branch would be the same at another depth."""
        return depth == self.depth or max(depth, self.depth) + self.height <= DEPTH


class _Elsewhere(Exception):
    """A kept branch would be different at its new depth."""


class Tree:
    """The walks to all addresses. A packet that none of an address's rules takes goes on behind the root's rules.

    With ``behind``, a packet leaves the root for good, so that a rule of an address can end the walk by RETURN. A
    packet that no rule takes then goes to ``behind``.
    """

    def __init__(self, names: Names, prefixes: Prefixes) -> None:
        self._names, self._prefixes = names, prefixes
        self._walks: dict[int, Walk] = {}  # by address
        self._branches: dict[Prefix, _Branch] = {}
        self._changed: set[int] = set()
        self._root: tuple[Prefix, ...] = ()
        self._shape: tuple[int, Goto | None] = 0, None
        self.behind: Goto | None = None
        self.rules: tuple[Rule, ...] = ()  # the root's rules

    def put(self, address: int, walk: Walk | None) -> None:
        """Set the walk of an address; None: the address is gone."""
        self._changed.add(address)
        if walk is None:
            self._walks.pop(address, None)
        else:
            self._walks[address] = walk

    def refresh(self) -> bool:
        """Renew what changed.

        Return whether this changed only the root, and chains around the addresses that were put.
        """
        shape = self._prefixes.length, self.behind
        local = shape == self._shape
        if local:
            for address in self._changed:
                for node in self._prefixes.around(address):
                    self._branches.pop(node, None)
            local = self._renew()
        if not local:
            self._branches.clear()
            self._renew()
        self._shape = shape
        self._changed.clear()
        return local

    def chains(self, around: Collection[int] | None = None) -> Iterator[Chain]:
        """Yield the chains, each after those that it leads to. ``around``: only the chains on the way to some
        addresses, and the chains that these lead to.
        """
        near = None if around is None else {node for one in around for node in self._prefixes.around(one)}
        yield from self._chains(self._root, near)

    def _chains(self, nodes: tuple[Prefix, ...], near: set[Prefix] | None) -> Iterator[Chain]:
        for node in nodes:
            if node.length == self._prefixes.bits:
                yield from self._walk(node).chains
                continue
            branch = self._branches.get(node)
            if branch is None or near is None or node in near:
                yield from self._chains(tuple(self._prefixes.nodes(node)) if branch is None else branch.nodes, near)
            if branch is not None and (branch.chain.rules or self.behind):
                yield branch.chain

    def on_the_way(self, around: Collection[int]) -> Iterator[Chain]:
        """Yield the chains that lead to some addresses, and the chains of these addresses."""
        for node in {node for one in around for node in self._prefixes.around(one)}:
            if (branch := self._branches.get(node)) is not None:
                yield branch.chain
        for one in around:
            yield from self._walks.get(one, _NOTHING).chains

    def _renew(self) -> bool:
        """Renew the root and missing branches. Return False where a kept branch would be different at its new depth."""
        self._root = tuple(self._prefixes.root())
        try:
            self.rules = self._rules(self._root, 0)[0]
        except _Elsewhere:
            return False
        return True

    def _walk(self, node: Prefix) -> Walk:
        return self._walks.get(node.number, _NOTHING)

    def _rules(self, nodes: tuple[Prefix, ...], depth: int) -> tuple[tuple[Rule, ...], int]:
        """Return the rules of a chain with these nodes, and how many levels of branches are below it."""
        found: list[Rule] = []
        rest: list[Rule] = []
        height = 0
        for node in nodes:
            if node.length == self._prefixes.bits:
                walk = self._walk(node)
                found += walk.rules
                rest += walk.rest
            elif depth == DEPTH:  # addresses chosen to make the tree deep: all the rest goes into one chain
                rules, below = self._rules(tuple(self._prefixes.nodes(node)), depth)
                found += rules
                height = max(height, below + 1)
            else:
                branch = self._branch(node, depth + 1)
                height = max(height, branch.height + 1)
                if branch.chain.rules or self.behind:
                    # The root jumps, so that the walk comes back to what follows. Below it, nothing follows.
                    name = branch.chain.name
                    found.append(Rule((To(branch.network),), Goto(name) if depth or self.behind else Jump(name)))
        return (*found, *rest), height

    def _branch(self, node: Prefix, depth: int) -> _Branch:
        known = self._branches.get(node)
        if known is not None:
            if not known.is_same_at(depth):
                raise _Elsewhere
            return known
        network = self._network(node)
        nodes = tuple(self._prefixes.nodes(node))
        rules, height = self._rules(nodes, depth)
        if self.behind:
            rules = (*rules, Rule((), self.behind))
        chain = Chain(self._names.at(str(network)), rules)
        made = self._branches[node] = _Branch(chain, network, nodes, depth, height)
        return made

    def _network(self, node: Prefix) -> ir.Network:
        bits = self._prefixes.bits
        kind = IPv4Network if bits == 32 else IPv6Network
        return kind((node.number << (bits - node.length), node.length))


_NOTHING = Walk((), ())

"""Finding the rules for a destination in a few steps: chains that branch by address prefix and by port.

A list of rules costs every new connection of the machine one comparison per service. So where there are more than
:data:`FEW`, rules stand in chains of their own, by the address's /28 (IPv4) and so on upwards in steps of four bits,
until at most :data:`FEW` branches are left for the root.

What a change of the program changes here:

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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from itertools import groupby
from typing import TypeAlias

from svcc.compiler import ir
from svcc.kernel.xtables.objects import Chain, Goto, Jump, Match, Proto, Rule, To, Verdict
from svcc.targets.iptables.names import Names

#: As many addresses, ports or branches stand in one chain.
FEW = 16
#: Bits by which addresses are told apart in one step.
STEP = 4
#: Levels of branches below the root: the nft variant takes at most 16 chains within chains (NFT_JUMP_STACK_SIZE).
DEPTH = 8
#: The sizes of aligned blocks of ports.
BLOCKS = (16, 256, 4096)


# -- addresses --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaf:
    number: int  # the address
    address: ir.Address


@dataclass(frozen=True, slots=True)
class Branch:
    number: int  # the first address of the network
    network: ir.Network
    nodes: tuple[Node, ...]


Node: TypeAlias = Leaf | Branch


def tree(addresses: Iterable[ir.Address]) -> tuple[Node, ...]:
    """The root's nodes for addresses of one family, in the order of the addresses."""
    leaves = sorted((Leaf(int(address), address) for address in addresses), key=lambda leaf: leaf.number)
    nodes: tuple[Node, ...] = tuple(leaves)
    bits = leaves[0].address.max_prefixlen if leaves else 0
    network = IPv4Network if bits == 32 else IPv6Network
    for length in range(bits - STEP, 0, -STEP):
        if len(nodes) <= FEW:
            break
        shift = bits - length
        groups = [(number, tuple(group)) for number, group in groupby(nodes, key=lambda node: node.number >> shift)]
        nodes = tuple(
            group[0]
            if len(group) == 1 and bits == 128
            else Branch(number << shift, network((number << shift, length)), group)
            for number, group in groups
        )
    return nodes


@dataclass(frozen=True, slots=True)
class Walk:
    """Rules for a chain to start with, and the chains that they lead to (each after those it leads to itself)."""

    rules: tuple[Rule, ...]
    chains: tuple[Chain, ...]
    rest: tuple[Rule, ...] = ()  # for the chain to end with, behind all other addresses' rules


_NOTHING = Walk((), ())


def by_address(
    names: Names, nodes: tuple[Node, ...], rules: Mapping[ir.Address, Walk], behind: Goto | None = None
) -> Walk:
    """The walk to the rules of an address.

    Where none of them holds, it goes on behind the root's rules. With ``behind`` the walk leaves the root for good, so
    that a rule of an address can end it by RETURN; where none of them holds, it goes there.
    """
    return _Tree(names, rules, behind).walk(nodes)


@dataclass(slots=True)
class _Tree:
    names: Names
    rules: Mapping[ir.Address, Walk]
    behind: Goto | None
    chains: list[Chain] = field(default_factory=list)

    def walk(self, nodes: tuple[Node, ...]) -> Walk:
        root = self._rules(nodes, 0)
        return Walk(root, tuple(self.chains))

    def _rules(self, nodes: tuple[Node, ...], depth: int) -> tuple[Rule, ...]:
        found: list[Rule] = []
        rest: list[Rule] = []
        for node in nodes:
            if isinstance(node, Leaf):
                walk = self.rules.get(node.address, _NOTHING)
                self.chains += walk.chains
                found += walk.rules
                rest += walk.rest
            elif depth == DEPTH:  # addresses made to be deep: the rest in a line
                found += self._rules(node.nodes, depth)
            elif (rules := self._rules(node.nodes, depth + 1)) or self.behind:
                name = self.names.at(str(node.network))
                self.chains.append(Chain(name, (*rules, Rule((), self.behind)) if self.behind else rules))
                # From the root by a jump, so that the walk comes back to what follows; below, nothing follows.
                found.append(Rule((To(node.network),), Goto(name) if depth or self.behind else Jump(name)))
        return (*found, *rest)


# -- ports ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PortRule:
    """What happens to some ports of an address, or of the node."""

    protocol: ir.Protocol
    ports: ir.PortRange
    verdict: Verdict
    remark: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    protocol: ir.Protocol
    ports: ir.PortRange  # aligned
    nodes: tuple[PortRule | Block, ...]


def at_address(names: Names, address: ir.Address, rules: Iterable[PortRule], other: Verdict | None) -> Walk:
    """The rules of an address's ports, and ``other`` for the rest of it, which is rarely asked for.

    Without ``other`` the walk goes on to other addresses.
    """
    to = To(address)
    nodes = _blocks(rules)
    if all(isinstance(node, PortRule) for node in nodes):
        return Walk(_ports(names, nodes, (to,), "").rules, (), (Rule((to,), other),) if other else ())
    walk = _ports(names, nodes, (), f"-{address}")
    own = Chain(names.at(str(address)), (*walk.rules, Rule((), other)) if other else walk.rules)
    # Who may come back does so by a jump.
    return Walk((Rule((to,), Goto(own.name) if other else Jump(own.name)),), (*walk.chains, own))


def by_port(names: Names, rules: Iterable[PortRule]) -> Walk:
    """The walk to the rule of a port of the node."""
    return _ports(names, _blocks(rules), (), "")


def _blocks(rules: Iterable[PortRule]) -> tuple[PortRule | Block, ...]:
    """Blocks of rules, until there are few; a range that lies across the blocks' borders stays on its own."""
    nodes: tuple[PortRule | Block, ...] = tuple(sorted(rules, key=lambda rule: (rule.protocol, rule.ports)))
    for size in BLOCKS:
        if len(nodes) <= FEW:
            break
        grouped: list[PortRule | Block] = []
        for (protocol, number, inside), group in groupby(nodes, key=partial(_block, size)):
            ports = ir.PortRange(number * size, number * size + size - 1)
            below = tuple(group)
            grouped += [Block(protocol, ports, below)] if inside else below
        nodes = tuple(grouped)
    return nodes


def _block(size: int, node: PortRule | Block) -> tuple[ir.Protocol, int, bool]:
    number = node.ports.first // size
    return node.protocol, number, node.ports.last // size == number


def _ports(names: Names, nodes: tuple[PortRule | Block, ...], to: tuple[Match, ...], place: str) -> Walk:
    rules: list[Rule] = []
    chains: list[Chain] = []
    for node in nodes:
        proto = Proto(node.protocol, node.ports)
        if isinstance(node, PortRule):
            rules.append(Rule((*to, proto, *node.remark), node.verdict))
            continue
        name = names.at(f"{node.protocol}-{node.ports}{place}")
        below = _ports(names, node.nodes, (), place)
        chains += (*below.chains, Chain(name, below.rules))
        rules.append(Rule((*to, proto), Jump(name)))
    return Walk(tuple(rules), tuple(chains))

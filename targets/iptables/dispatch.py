"""Finding the rules for a destination in a few steps: chains that branch by address prefix and by port.

A list of rules costs every new connection of the machine one comparison per service. So where there are more than
:data:`svcc.targets.iptables.prefixes.FEW`, rules stand in chains of their own: by the address's /28 (IPv4) and so on
upwards in steps of four bits, until few branches are left for the root (:mod:`svcc.targets.iptables.tree`); by aligned
blocks of ports in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import NamedTuple

from svcc.compiler import ir
from svcc.kernel.xtables.matches import Match, Proto, To
from svcc.kernel.xtables.script import Chain, Rule
from svcc.kernel.xtables.verdicts import Goto, Jump, Verdict
from svcc.targets.iptables.names import Names
from svcc.targets.iptables.prefixes import FEW

#: The sizes of aligned blocks of ports.
BLOCKS = (16, 256, 4096)


class Walk(NamedTuple):
    """Rules for a chain to start with, and the chains that they lead to (each after those it leads to itself)."""

    rules: tuple[Rule, ...]
    chains: tuple[Chain, ...]
    rest: tuple[Rule, ...] = ()  # for the chain to end with, behind all other addresses' rules


class PortRule(NamedTuple):
    """What happens to some ports of an address, or of the node. A named tuple, as there are tens of thousands."""

    protocol: ir.Protocol
    ports: ir.PortRange
    verdict: Verdict
    remark: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """Ports that a branch of the dispatch tree is for, and what stands below it."""

    protocol: ir.Protocol
    ports: ir.PortRange  # aligned
    nodes: tuple[PortRule | Block, ...]


def at_address(names: Names, address: ir.Address, rules: Collection[PortRule], other: Verdict | None) -> Walk:
    """The rules of an address's ports, and ``other`` for the rest of it, which is rarely asked for.

    Without ``other`` the walk goes on to other addresses.
    """
    to = To(address)
    if not rules:
        return Walk((), (), (Rule((to,), other),) if other else ())
    nodes = _blocks(rules)
    if len(rules) <= FEW or all(isinstance(node, PortRule) for node in nodes):
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

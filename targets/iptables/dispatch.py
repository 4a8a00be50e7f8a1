"""Chains that branch by address prefix and by port, so that a packet finds the rules for its destination in a few
steps.

A list of rules costs every new connection of the machine one comparison per service. So where there are more than
:data:`svcc.targets.iptables.prefixes.FEW` rules, they are in chains of their own: one for each /28 (IPv4), and so on
upwards in steps of four bits, until few branches are left for the root (:mod:`svcc.targets.iptables.tree`). Ports
branch in the same way, by aligned blocks.
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
    """Rules at the start of a chain, and the chains that they lead to, each after those that it leads to itself."""

    rules: tuple[Rule, ...]
    chains: tuple[Chain, ...]
    rest: tuple[Rule, ...] = ()  # rules for the end of the chain, behind the rules of all other addresses


class PortRule(NamedTuple):
    """A rule for some ports of an address, or of the node. A named tuple, because there are tens of thousands."""

    protocol: ir.Protocol
    ports: ir.PortRange
    verdict: Verdict
    remark: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A branch for a block of ports, and the rules and branches below it."""

    protocol: ir.Protocol
    ports: ir.PortRange  # aligned
    nodes: tuple[PortRule | Block, ...]


def at_address(names: Names, address: ir.Address, rules: Collection[PortRule], other: Verdict | None) -> Walk:
    """Return the rules for an address's ports, followed by ``other`` for all else at the address, which few packets
    need.

    Without ``other``, a packet that no rule takes goes on to the rules of other addresses.
    """
    to = To(address)
    if not rules:
        return Walk((), (), (Rule((to,), other),) if other else ())
    nodes = _blocks(rules)
    if len(rules) <= FEW or all(isinstance(node, PortRule) for node in nodes):
        return Walk(_ports(names, nodes, (to,), "").rules, (), (Rule((to,), other),) if other else ())
    walk = _ports(names, nodes, (), f"-{address}")
    own = Chain(names.at(str(address)), (*walk.rules, Rule((), other)) if other else walk.rules)
    # Where packets may come back, the rule is a jump.
    return Walk((Rule((to,), Goto(own.name) if other else Jump(own.name)),), (*walk.chains, own))


def by_port(names: Names, rules: Iterable[PortRule]) -> Walk:
    """Return the walk to the rules of the node's ports."""
    return _ports(names, _blocks(rules), (), "")


def _blocks(rules: Iterable[PortRule]) -> tuple[PortRule | Block, ...]:
    """Put rules into blocks, until there are few. A range that crosses the borders of blocks stays outside of them."""
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

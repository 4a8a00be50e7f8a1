"""The dispatch: short lists, every address found, and a new one that leaves the others where they are."""

from __future__ import annotations

import random
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.compiler import ir
from svcc.kernel.xtables.matches import Match, Proto, To
from svcc.kernel.xtables.script import Chain, Rule
from svcc.kernel.xtables.verdicts import ACCEPT, Final, Goto, Jump
from svcc.targets.iptables.dispatch import PortRule, Walk, at_address, by_port
from svcc.targets.iptables.names import Names
from svcc.targets.iptables.prefixes import FEW, Prefixes
from svcc.targets.iptables.tree import DEPTH, Tree

NAMES = Names("SVCC")
TCP, UDP = ir.Protocol.TCP, ir.Protocol.UDP


class Walker:
    """Follows a walk for one packet, and counts what it looks at."""

    def __init__(self, walk: Walk) -> None:
        self._root = (*walk.rules, *walk.rest)
        self._chains = {chain.name: chain for chain in walk.chains}
        assert len(self._chains) == len(walk.chains)
        assert all(len(name) <= 28 for name in self._chains)
        _assert_in_order(walk.chains)
        self.looked = self.deepest = 0

    def verdict(self, address: ir.Address, protocol: ir.Protocol, port: int) -> str | None:
        """The name of the final verdict, or of the chain outside that the walk leads to; None: behind the root."""
        self.looked = self.deepest = 0
        return self._follow(self._root, (address, protocol, port), 0)

    def _follow(self, rules: Iterable[Rule], packet: tuple[ir.Address, ir.Protocol, int], depth: int) -> str | None:
        self.deepest = max(self.deepest, depth)
        for rule in rules:
            self.looked += 1
            if not all(_holds(match, packet) for match in rule.matches):
                continue
            if isinstance(rule.verdict, Final):
                return rule.verdict.name
            assert isinstance(rule.verdict, Jump | Goto)
            if rule.verdict.chain not in self._chains:
                return rule.verdict.chain
            found = self._follow(self._chains[rule.verdict.chain].rules, packet, depth + 1)
            if found is not None or isinstance(rule.verdict, Goto):
                return found
        return None


def _holds(match: Match, packet: tuple[ir.Address, ir.Protocol, int]) -> bool:
    address, protocol, port = packet
    if isinstance(match, To):
        return (
            address == match.destination if isinstance(match.destination, ir.Address) else address in match.destination
        )
    assert isinstance(match, Proto)
    return protocol is match.protocol and (match.ports is None or match.ports.first <= port <= match.ports.last)


def _assert_in_order(chains: Iterable[Chain]) -> None:
    """Every chain stands after those that it leads to."""
    names = {chain.name for chain in chains}
    met: set[str] = set()
    for chain in chains:
        led = {rule.verdict.chain for rule in chain.rules if isinstance(rule.verdict, Jump | Goto)}
        assert led & names <= met
        met.add(chain.name)


def walk(addresses: Iterable[ir.Address]) -> Walk:
    """Port 80/tcp of every address leads to a chain with the address's name, the rest of it is accepted."""
    return kept_up([addresses])


def kept_up(all_addresses: Iterable[Iterable[ir.Address]]) -> Walk:
    """The same of the last of some addresses, where the others were there before, one after the other."""
    prefixes, there = Prefixes(0), set[ir.Address]()
    tree = Tree(NAMES, prefixes)
    for addresses in map(set, all_addresses):
        if prefixes.bits == 0:
            prefixes = Prefixes(next(iter(addresses)).max_prefixlen)
            tree = Tree(NAMES, prefixes)
        for address in there - addresses:
            prefixes.remove(int(address))
            tree.put(int(address), None)
        for address in addresses - there:
            prefixes.add(int(address))
            tree.put(int(address), at_address(NAMES, address, [rule(80, str(address))], ACCEPT))
        tree.refresh()
        there = addresses
    return Walk(tree.rules, tuple(tree.chains()))


def rule(port: int, to: str, last: int | None = None, protocol: ir.Protocol = TCP) -> PortRule:
    return PortRule(protocol, ir.PortRange(port, last or port), Goto(to))


def lines(found: Walk) -> list[str]:
    below = [f"{chain.name} {line}" for chain in found.chains for line in chain.rules]
    return [f"root {line}" for line in found.rules] + below


V4 = st.integers(0xC6120000, 0xC613FFFF) | st.integers(0xC6130000, 0xC613001F) | st.integers(1 << 24, 0xDFFFFFFF)
V6 = st.integers(0, 0xFFFF).map(lambda n: (0xFD000019 << 96) | n) | st.integers(0xFD << 120, (0xFE << 120) - 1)
#: One more zero in each address: every four bits two ways part.
COMB = [IPv6Address((0xFD << 120) | 1 << 4 * n | low) for n in range(2, 30) for low in range(1, 3)]
ADDRESSES = st.one_of(
    st.lists(V4.map(IPv4Address), unique=True, min_size=1, max_size=300),
    st.lists(V6.map(IPv6Address), unique=True, min_size=1, max_size=300),
)


@given(ADDRESSES)
def test_every_address_is_found_and_no_other(addresses: list[ir.Address]) -> None:
    walker = Walker(walk(addresses))
    for address in addresses:
        assert walker.verdict(address, TCP, 80) == str(address)
        assert walker.verdict(address, UDP, 80) == "ACCEPT"
        for other in {address + 1, address - 1} - set(addresses):
            assert walker.verdict(other, TCP, 80) is None


@pytest.mark.parametrize("shape", ["dense", "spread", "random", "everywhere", "v6 dense", "v6 random", "v6 everywhere"])
def test_a_walk_is_short(shape: str) -> None:
    """10,000 addresses: a few dozen rules to any of them, and as few past all of them."""
    addresses = _addresses(shape)
    made = walk(addresses)
    walker = Walker(made)
    for address in random.Random(1).sample(addresses, 200):
        assert walker.verdict(address, TCP, 80) == str(address)
        assert walker.looked <= 130
        assert walker.deepest <= DEPTH
    if shape != "everywhere":  # IPv4 has a chain for each prefix, so that none ever moves
        assert len(made.chains) <= len(addresses) * 1.6


def _addresses(shape: str) -> list[ir.Address]:
    dice = random.Random(0)
    ranges: dict[str, tuple[type[IPv4Address] | type[IPv6Address], int, int | list[int]]] = {
        "dense": (IPv4Address, 0xC6130000, 1),
        "spread": (IPv4Address, 0xC6130000, 16),
        "random": (IPv4Address, 0xC6120000, dice.sample(range(1 << 17), 10_000)),
        "everywhere": (IPv4Address, 0, dice.sample(range(1 << 24, 0xDF000000), 10_000)),
        "v6 dense": (IPv6Address, 0xFD << 120, 1),
        "v6 random": (IPv6Address, 0xFD << 120, dice.sample(range(1 << 20), 10_000)),
        "v6 everywhere": (IPv6Address, 0xFD << 120, [dice.randrange(1 << 120) for _ in range(10_000)]),
    }
    kind, base, how = ranges[shape]
    steps = [n * how for n in range(10_000)] if isinstance(how, int) else how
    return [kind(base + n) for n in steps]


def test_addresses_made_to_be_deep_stay_within_the_kernels_limit() -> None:
    walker = Walker(walk(COMB))
    for address in COMB:
        assert walker.verdict(address, TCP, 80) == str(address)
        assert walker.deepest <= DEPTH


@given(
    st.one_of(
        *(
            st.lists(st.sets(some, min_size=1, max_size=60), min_size=2, max_size=5)
            for some in (
                st.integers(0xC6130000, 0xC613007F).map(IPv4Address),
                V4.map(IPv4Address),
                V6.map(IPv6Address),
                st.sampled_from(COMB),
            )
        )
    )
)
def test_a_tree_that_is_kept_up_to_date_is_the_one_that_is_made_anew(ways: list[set[ir.Address]]) -> None:
    assert kept_up(ways) == walk(ways[-1])


def test_few_addresses_stand_in_the_root() -> None:
    addresses = [IPv4Address(0xC6130000 + 1000 * n) for n in range(FEW)]
    made = walk(addresses)
    assert made.chains == ()
    assert len(made.rules) == 2 * FEW


def test_the_seventeenth_address_moves_the_roots_lines_and_nothing_else_later() -> None:
    addresses: list[ir.Address] = [IPv4Address(0xC6130000 + n) for n in range(FEW + 1)]
    made = walk(addresses)
    assert [str(line) for line in made.rules] == [
        "-d 198.19.0.0/28 -j SVCC-AT-198.19.0.0/28",
        "-d 198.19.0.16/28 -j SVCC-AT-198.19.0.16/28",
    ]
    assert [chain.name for chain in made.chains] == ["SVCC-AT-198.19.0.0/28", "SVCC-AT-198.19.0.16/28"]


@given(st.lists(V4.map(IPv4Address), unique=True, min_size=1, max_size=200), V4.map(IPv4Address))
def test_a_new_address_leaves_every_chain_below_the_root_as_it_was(
    addresses: list[ir.Address], new: IPv4Address
) -> None:
    """Chains only gain lines. The root may get another level below it."""
    before, after = walk(addresses), walk(sorted({*addresses, new}))
    chains = {chain.name: chain.rules for chain in after.chains}
    for chain in before.chains:
        assert [line for line in chains[chain.name] if line in chain.rules] == list(chain.rules)


def test_a_new_address_in_a_new_branch_is_three_new_lines() -> None:
    addresses: list[ir.Address] = [IPv4Address(0xC6130000 + 32 * n) for n in range(10)]
    addresses += [a + 1 for a in addresses]
    old, new = lines(walk(addresses)), lines(walk([*addresses, IPv4Address(0xC6130000 + 32 * 20)]))
    assert [line for line in old if line not in new] == []
    assert [line for line in new if line not in old] == [
        "root -d 198.19.2.128/28 -j SVCC-AT-198.19.2.128/28",
        "SVCC-AT-198.19.2.128/28 -d 198.19.2.128/32 -p tcp -m tcp --dport 80 -g 198.19.2.128",
        "SVCC-AT-198.19.2.128/28 -d 198.19.2.128/32 -j ACCEPT",
    ]


# -- ports ------------------------------------------------------------------------------------------------------------


@st.composite
def port_rules(draw: st.DrawFn) -> list[PortRule]:
    """Rules for ports that do not overlap, some of them ranges."""
    cuts = sorted(draw(st.sets(st.integers(1, 65535), min_size=2, max_size=200)))
    rules = [rule(first, f"{first}", draw(st.sampled_from((first, after - 1)))) for first, after in pairwise(cuts)]
    return [r._replace(protocol=draw(st.sampled_from((TCP, UDP)))) for r in rules]


@given(port_rules())
def test_every_port_is_found_and_no_other(rules: list[PortRule]) -> None:
    address = IPv4Address("198.19.10.0")
    node, own = Walker(by_port(NAMES, rules)), Walker(at_address(NAMES, address, rules, ACCEPT))
    for known in rules:
        for port in {known.ports.first, known.ports.last, known.ports.last + 1}:
            right = next((str(r.ports.first) for r in rules if port in r.ports and r.protocol is known.protocol), None)
            assert node.verdict(address, known.protocol, port) == right
            assert own.verdict(address, known.protocol, port) == (right or "ACCEPT")
            assert own.verdict(address + 1, known.protocol, port) is None


def test_many_ports_take_few_steps() -> None:
    rules = [rule(port, str(port)) for port in range(30000, 32768)]
    walker = Walker(by_port(NAMES, rules))
    for port in range(30000, 32768, 97):
        assert walker.verdict(IPv4Address(1), TCP, port) == str(port)
        assert walker.looked <= 60


def test_an_address_with_many_ports_has_a_chain_of_its_own() -> None:
    rules = [rule(port, f"to-{port}") for port in (*range(1, 17), 443)]
    made = at_address(NAMES, IPv4Address("10.0.0.1"), rules, ACCEPT)
    assert [str(line) for line in made.rules] == ["-d 10.0.0.1/32 -g SVCC-AT-10.0.0.1"]
    assert [(chain.name, len(chain.rules)) for chain in made.chains] == [
        ("SVCC-AT-tcp-0-15-10.0.0.1", 15),
        ("SVCC-AT-tcp-16-31-10.0.0.1", 1),
        ("SVCC-AT-tcp-432-447-10.0.0.1", 1),
        ("SVCC-AT-10.0.0.1", 4),
    ]
    assert [str(line) for line in made.chains[-1].rules] == [
        "-p tcp -m tcp --dport 0:15 -j SVCC-AT-tcp-0-15-10.0.0.1",
        "-p tcp -m tcp --dport 16:31 -j SVCC-AT-tcp-16-31-10.0.0.1",
        "-p tcp -m tcp --dport 432:447 -j SVCC-AT-tcp-432-447-10.0.0.1",
        "-j ACCEPT",
    ]

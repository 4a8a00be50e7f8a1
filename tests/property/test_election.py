"""Who takes an announced address: what has to hold whatever machines there are and whatever they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from svcc.fleet.election import successors

_NODES = st.sampled_from([f"node-{letter}" for letter in "abcdefg"])
_ADDRESSES = st.sampled_from([f"192.0.2.{number}" for number in range(1, 9)] + ["2001:db8::1", "2001:db8::2"])
_ABLE = st.dictionaries(_NODES, st.frozensets(_ADDRESSES))
_HOLDERS = st.dictionaries(_ADDRESSES, _NODES)


def _alike(able: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """The same machines, each able to answer for all that any of them is."""
    return dict.fromkeys(able, frozenset().union(*able.values()))


@given(_ABLE, _HOLDERS)
def test_every_free_address_goes_to_a_machine_that_is_able_and_what_is_held_stays(
    able: dict[str, frozenset[str]], holders: dict[str, str]
) -> None:
    found = successors(able, holders)
    assert found.keys() == {address for some in able.values() for address in some} - holders.keys()
    for address, machines in found.items():
        assert sorted(machines) == sorted(node for node, some in able.items() if address in some)


@given(_ABLE, _HOLDERS, st.randoms(use_true_random=False))
def test_it_does_not_depend_on_the_order_in_which_things_are_known(
    able: dict[str, frozenset[str]], holders: dict[str, str], random: Random
) -> None:
    nodes, held = sorted(able), sorted(holders)
    random.shuffle(nodes)
    random.shuffle(held)
    assert successors({n: able[n] for n in nodes}, {a: holders[a] for a in held}) == successors(able, holders)


@given(_ABLE, _HOLDERS)
def test_machines_that_are_alike_get_their_shares(able: dict[str, frozenset[str]], holders: dict[str, str]) -> None:
    able = _alike({node: some for node, some in able.items() if some})
    holders = {address: node for address, node in holders.items() if node in able}
    before = Counter(holders.values())
    after = before + Counter(machines[0] for machines in successors(able, holders).values())
    number = len(frozenset().union(*able.values()) | holders.keys())
    for node in after:
        assert after[node] <= max(before[node], -(-number // len(able)))


@given(_ABLE, _ADDRESSES)
def test_of_one_address_who_is_behind_may_come_or_go(able: dict[str, frozenset[str]], address: str) -> None:
    able = {node: some & {address} for node, some in able.items()}
    for machines in successors(able, {}).values():
        for node in machines[1:]:
            rest = {one: some for one, some in able.items() if one != node}
            assert successors(rest, {})[address] == tuple(one for one in machines if one != node)

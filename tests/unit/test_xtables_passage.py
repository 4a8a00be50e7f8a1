"""Whether a listing changed only as it was meant to: without a kernel, from listings made of states."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from svcc.kernel.xtables.passage import passes
from svcc.kernel.xtables.state import Rules, Table, Tables

_NAMES = ("SVCC-A", "SVCC-AB", "SVCC-A-B", "SVCC-SERVICES")
_RULES = st.lists(st.sampled_from(("-j RETURN", "-j DROP", "-p tcp -j SVCC-A", "-g SVCC-AB")), max_size=3).map(tuple)
_CHAINS = st.dictionaries(st.sampled_from(_NAMES), _RULES)
_STATES = st.fixed_dictionaries({"nat": _CHAINS, "filter": _CHAINS})
_ENTRY = "-A PREROUTING -j SVCC-SERVICES"


def _listing(state: Mapping[str, Mapping[str, Rules]], others: str = _ENTRY) -> bytes:
    """As iptables-save prints it and :func:`svcc.kernel.xtables.listing_digest.stable` leaves it: the declarations of a
    table's chains, and then the rules, each chain's in a row."""
    lines: list[str] = []
    for name, chains in state.items():
        lines += [f"*{name}", ":PREROUTING ACCEPT", *(f":{chain} -" for chain in chains), others]
        lines += [f"-A {chain} {rule}" for chain, rules in chains.items() for rule in rules]
    return "\n".join(lines).encode()


def _tables(state: Mapping[str, Mapping[str, Rules]]) -> Tables:
    return {name: Table(chains) for name, chains in state.items()}


@given(_STATES, _STATES)
def test_what_was_meant_to_change_may_change(
    before: dict[str, dict[str, Rules]], want: dict[str, dict[str, Rules]]
) -> None:
    after = {name: _in_order(before[name], want[name]) for name in before}
    assert passes(_listing(before), _listing(after), _tables(before), _tables(after))


@given(_STATES, _STATES, _STATES)
def test_another_outcome_is_told(
    before: dict[str, dict[str, Rules]], want: dict[str, dict[str, Rules]], found: dict[str, dict[str, Rules]]
) -> None:
    assume(want != found)
    assert not passes(_listing(before), _listing(found), _tables(before), _tables(want))


@given(_STATES, _STATES, _STATES)
def test_another_beginning_is_told(
    before: dict[str, dict[str, Rules]], want: dict[str, dict[str, Rules]], found: dict[str, dict[str, Rules]]
) -> None:
    """A chain that was not as it was taken to be is told where it has to change, or did."""
    assume(
        any(
            found[name].get(chain) != before[name].get(chain)
            for name in before
            for chain in _NAMES
            if before[name].get(chain) != want[name].get(chain)
        )
    )
    assert not passes(_listing(found), _listing(want), _tables(before), _tables(want))


def _in_order(before: Mapping[str, Rules], want: Mapping[str, Rules]) -> dict[str, Rules]:
    """The wanted chains, those that stay in the order in which they stood."""
    return {name: want[name] for name in (*(one for one in before if one in want), *want)}


_OLD = {"nat": {"SVCC-A": ("-j RETURN",), "SVCC-B": ("-j DROP",)}}
_NEW = {"nat": {"SVCC-A": ("-j DROP",), "SVCC-B": ("-j DROP",)}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(_listing(_OLD), _listing(_NEW, f"{_ENTRY}\n{_ENTRY}"), id="an entry came"),
        pytest.param(_listing(_OLD), _listing(_NEW, ""), id="the entry went"),
        pytest.param(_listing(_OLD), _listing({**_NEW, "mangle": {}}), id="a table came"),
        pytest.param(_listing({}), _listing({}), id="the table is not there"),
    ],
)
def test_what_else_changed_is_told(before: bytes, after: bytes) -> None:
    assert passes(_listing(_OLD), _listing(_NEW), _tables(_OLD), _tables(_NEW))
    assert not passes(before, after, _tables(_OLD), _tables(_NEW))


def test_states_without_what_both_have_are_enough() -> None:
    have, want = ({"nat": {"SVCC-A": one["nat"]["SVCC-A"]}} for one in (_OLD, _NEW))
    assert passes(_listing(_OLD), _listing(_NEW), _tables(have), _tables(want))


def test_rules_of_others_among_a_chains_own_leave_no_telling() -> None:
    old, new = ({"nat": {"SVCC-A": (rule, "-j ACCEPT\n-A OTHER -j SVCC-B", rule)}} for rule in ("-j RETURN", "-j DROP"))
    assert not passes(_listing(old), _listing(new), _tables(old), _tables(new))


def test_other_entries_leave_no_telling() -> None:
    have, want = {"nat": Table({}, (("PREROUTING", "-j SVCC-SERVICES"),))}, {"nat": Table()}
    assert not passes(_listing(_OLD), _listing(_OLD), have, want)

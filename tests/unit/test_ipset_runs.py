"""Elements of sets with consecutive ports: one line for many of them, and back to the elements."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from svcc.apply.scope import Scope
from svcc.kernel.ipset.difference import commands
from svcc.kernel.ipset.runs import LONGEST_APART, folded, unfolded
from svcc.kernel.ipset.sets import Set, dump_sets, load_sets, parse_sets, sets_text
from svcc.kernel.steps import Phase
from svcc.targets.ipvs.meaning import Purposes


@st.composite
def _elements(draw: st.DrawFn) -> dict[str, str]:
    """Several stretches of ports, in any order, of an address, a protocol, and what follows."""
    found: dict[str, str] = {}
    for _ in range(draw(st.integers(0, 5))):
        before = draw(st.sampled_from(("198.19.10.0,tcp:", "fd00::1,udp:", "")))
        after = draw(st.sampled_from(("", ",10.0.0.0/8"))) if before else ""
        first, length = draw(st.integers(1, 60_000)), draw(st.sampled_from((1, 511, 512, 1023, 1024, 1025, 1026, 3000)))
        options = draw(st.sampled_from(("", " skbmark 0x54000001")))
        found.update((f"{before}{port}{after}", options) for port in range(first, first + length))
    return found


@given(_elements())
def test_nothing_is_lost_and_only_long_runs_become_one_line(elements: dict[str, str]) -> None:
    lines = [*folded(elements)]
    assert {one: options for element, options in lines for one in unfolded(element)} == elements
    assert [one for element, _ in lines for one in unfolded(element)] == [*elements]
    assert all(len([*unfolded(one)]) > LONGEST_APART for one, _ in lines if one not in elements)


@given(_elements())
def test_text_and_json_give_the_same_sets(elements: dict[str, str]) -> None:
    one = Set("CART-A", "hash:ip,port", elements, 4, 65_536, hashsize=1024)
    assert parse_sets(sets_text([one])) == {"CART-A": one}
    assert load_sets(dump_sets({"CART-A": one})) == {"CART-A": one}


def test_only_so_many_make_a_run() -> None:
    most = {f"10.0.0.1,tcp:{port}": "" for port in range(1, LONGEST_APART + 1)}
    assert [*folded(most)] == [*most.items()]
    (line,) = folded({**most, f"10.0.0.1,tcp:{LONGEST_APART + 1}": ""})
    assert line == (f"10.0.0.1,tcp:1-{LONGEST_APART + 1}", "")


def test_what_is_no_range_of_ports_is_itself() -> None:
    for element in (
        "10.0.0.1-10.0.0.9",
        "10.0.0.1,tcp:9-3",
        "10.0.0.1,tcp:1-65536",
        "10.0.0.1,tcp:a-b",
        "ppp-0",
        "80-",
    ):
        assert [*unfolded(element)] == [element]


def test_a_set_is_filled_by_a_line_for_a_run() -> None:
    one = Set("CART-CLUSTER-IP", "hash:ip,port", {f"10.0.0.1,tcp:{port}": "" for port in range(1, 65_536)}, 4, 1 << 17)
    (create, add) = commands({}, {one.name: one}, Purposes(), Scope("CART", None))[Phase.SETS]
    assert (create.verb, str(add)) == ("create", "add CART-CLUSTER-IP 10.0.0.1,tcp:1-65535")

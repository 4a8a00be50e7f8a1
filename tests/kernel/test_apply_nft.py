"""The nft driver in the kernel: from any state to any other, with each release of nft."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.nft_programs import EVERYTHING, program
from support.nft_states import HERE, SCOPE, nft, read, state, take, use_release
from support.strategies import programs_for
from support.tools.nft import RELEASES
from svcc.apply.nft import DRIVER
from svcc.compiler import ir
from svcc.kernel.namespaces import Namespace
from svcc.kernel.nft.state import NftState, Table
from svcc.targets.nft import TARGET

pytestmark = pytest.mark.kernel

_CASES = programs_for(TARGET)
_EVERYTHING = program(EVERYTHING)


@contextmanager
def inside() -> Iterator[None]:
    """A namespace of its own."""
    namespace = Namespace("test")
    try:
        with namespace.entered():
            yield
    finally:
        namespace.close()


@pytest.fixture(params=RELEASES, scope="module")
def release(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        use_release(request.param, tmp_path_factory.mktemp("nft"), patch)
        yield request.param


def arrive(wanted: NftState) -> None:
    before = read()
    take(before, wanted)
    live = read()
    assert live == wanted
    assert DRIVER.steps(live, wanted, SCOPE, HERE) == []
    assert list(DRIVER.changes(live, wanted)) == []


@pytest.mark.slow
@pytest.mark.usefixtures("release")
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_CASES, min_size=2, max_size=4))
def test_from_one_program_to_another_and_to_nothing(cases: list[tuple[ir.Program, ir.Node | None]]) -> None:
    with inside():
        for case in cases:
            arrive(state(*case))
        arrive(state(*cases[0]))
        arrive(NftState())
        assert nft("list ruleset") == ""


def _ranges(first: int, width: int, node: int, endpoints: list[int], shift: int, networks: list[str]) -> NftState:
    text = f"""
    cluster {{ prefix LAB; pods {" ".join(["100.64.0.0/24", *networks])}; nodeports 30000-32767 }}
    node one {{ address 10.0.0.4 }}
    service media {{
      vip 198.19.10.1 fd00:19::1; affinity client-ip 1h
      port {first}-{first + width}/udp -> {first + shift} nodeport {node}-{node + width}
      endpoints {{ {"; ".join(f"100.64.0.{e}" for e in endpoints)}; fd00:64::{endpoints[0]} }}
    }}
    service next {{ vip 198.19.10.1; port {first + width + 1}-{first + width + 5}/udp; endpoints {{ 100.64.0.9 }} }}
    service empty {{ vip 198.19.10.2; port {first}-{first + width}/tcp nodeport {node + 100}-{node + 100 + width};
                     endpoints {{ }} }}
    """
    parsed = program(text)
    return state(parsed, parsed.nodes[0])


_NETWORKS = (
    "10.0.0.0/25",
    "10.0.0.128/26",
    "10.0.1.0/24",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "255.255.255.0/24",
    "10.0.1.7/32",
)


@pytest.mark.slow
@pytest.mark.usefixtures("release")
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.builds(
            _ranges,
            st.sampled_from((5000, 5001, 5003, 5010)),
            st.sampled_from((1, 2, 9)),
            st.sampled_from((31000, 31001, 31005)),
            st.permutations((9, 19, 29)).flatmap(lambda order: st.integers(1, 3).map(lambda n: order[:n])),
            st.sampled_from((0, 1000, 2000)),
            st.lists(st.sampled_from(_NETWORKS), unique=True, max_size=3),
        ),
        min_size=2,
        max_size=5,
    )
)
def test_ranges_and_networks_change_where_they_overlap(states: list[NftState]) -> None:
    with inside():
        for wanted in states:
            arrive(wanted)


# ---- what somebody did by hand


def _pick(names: list[str], number: int) -> str:
    return sorted(names)[number % len(names)]


def _delete_element(table: Table, number: int) -> str:
    filled = [name for name, named in table.sets.items() if named.elements]
    name = _pick(filled, number)
    return f"delete element ip lab {name} {{ {_pick(list(table.sets[name].elements), number)} }}"


def _add_element(_: Table, number: int) -> str:
    return f"add element ip lab services {{ 198.19.99.{number % 200} . tcp . 80 : drop }}"


def _comment_element(table: Table, number: int) -> str:
    key = _pick(list(table.sets["services"].elements), number)
    verdict, _ = table.sets["services"].elements[key]
    return (
        f'delete element ip lab services {{ {key} }}; add element ip lab services {{ {key} comment "me" : {verdict} }}'
    )


def _flush_chain(table: Table, number: int) -> str:
    return f"flush chain ip lab {_pick([name for name, chain in table.chains.items() if chain.rules], number)}"


def _add_rule(table: Table, number: int) -> str:
    return (
        f'insert rule ip lab {_pick(list(table.chains), number)} ip saddr 192.0.2.{number % 200} counter comment "me"'
    )


def _add_chain(_: Table, number: int) -> str:
    return (
        f"add chain ip lab mine; add rule ip lab mine drop; insert rule ip lab dispatch ip ttl {number % 99} jump mine"
    )


def _add_set(_: Table, number: int) -> str:
    network = f"10.0.{number % 200}.0/24"
    return f"add set ip lab mine {{ type ipv4_addr; flags interval; }}; add element ip lab mine {{ {network} }}"


def _change_policy(_: Table, __: int) -> str:
    return "chain ip lab nat-prerouting { policy drop; }"


def _delete_table(_: Table, number: int) -> str:
    family = ("ip", "ip6")[number % 2]
    return f"add table {family} lab; delete table {family} lab"  # where it is gone already, too


_BY_HAND: tuple[Callable[[Table, int], str], ...] = (
    _delete_element,
    _add_element,
    _comment_element,
    _flush_chain,
    _add_rule,
    _add_chain,
    _add_set,
    _change_policy,
    _delete_table,
)


@pytest.mark.slow
@pytest.mark.usefixtures("release")
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(_BY_HAND), st.integers(0, 1000)), min_size=1, max_size=4), _CASES)
def test_what_somebody_did_by_hand_is_seen_undone_and_put_back(
    done: list[tuple[Callable[[Table, int], str], int]], other: tuple[ir.Program, ir.Node | None]
) -> None:
    whole = state(_EVERYTHING, _EVERYTHING.node("one"))
    with inside():
        arrive(whole)
        for by_hand, number in done:
            table = read().tables.get("ip")
            if (
                table is not None
                and table.chains.keys() >= {"dispatch", "nat-prerouting"}
                and "mine" not in table.chains
            ):
                nft(by_hand(table, number))
        drifted = read()
        assert drifted != whole
        assert list(DRIVER.changes(drifted, whole))
        arrive(whole)
        arrive(drifted)
        arrive(state(*other))
        arrive(drifted)
        arrive(NftState())

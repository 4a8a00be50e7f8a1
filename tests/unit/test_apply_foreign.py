"""svcc recognises as its own what it prints, for every program, and nothing that others put under its prefix."""

from __future__ import annotations

import pytest
from hypothesis import given

from support.strategies import programs
from svcc.apply.foreign import foreign_chains, foreign_sets
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel.ipset.sets import parse_sets
from svcc.kernel.xtables.state import State, Table, parse_script
from svcc.targets import targets
from svcc.targets.capability import check_target

PREFIX = "SVCC"


def chains(table: str, **rules: tuple[str, ...]) -> State:
    return State({table: Table({f"{PREFIX}-{name}": some for name, some in rules.items()})}, prefix=PREFIX)


@given(programs())
def test_what_a_target_prints_is_taken_over(program: ir.Program) -> None:
    node = program.nodes[0] if program.nodes else None
    prefix = program.cluster.prefix
    for target in targets().values():
        if target.loads and not check_target(program, target, node):
            texts = {one.part.name: one.text for one in target.render(program, node).artifacts}
            for part in {"iptables", "ip6tables"} & texts.keys():
                assert not [*foreign_chains(part, parse_script(texts[part], Scope(prefix)), prefix)]
            assert not [*foreign_sets(parse_sets(texts.get("ipset", "")), prefix)]


SERVED = "-d 198.19.10.1/32 -p tcp -m tcp --dport 80 -j SVCC-SVC-web"


@pytest.mark.parametrize(
    ("live", "named"),
    [
        (chains("nat", SERVICES=(SERVED,)), ""),
        (chains("nat", SERVICES=()), ""),
        (chains("nat", USER=()), "SVCC-USER (table nat)"),
        (chains("raw", SERVICES=()), "SVCC-SERVICES (table raw)"),
        (chains("filter", SVC=()), "SVCC-SVC (table filter)"),
        (
            chains("nat", SERVICES=("-p tcp -m comment --comment x -m tcp --dport 80 -j DROP",)),
            "SVCC-SERVICES (table nat)",
        ),
        (chains("nat", POSTROUTING=("-m owner --uid-owner 0 -j RETURN",)), "SVCC-POSTROUTING (table nat)"),
        (chains("mangle", GUARD=("-m set --match-set SVCC-EMPTY-DROP dst,dst -j DROP",)), ""),
        (State(strays=chains("nat", STAMPED=()).tables, prefix=PREFIX), "SVCC-STAMPED (table nat)"),
    ],
)
def test_chains_that_are_somebody_s(live: State, named: str) -> None:
    why = "is not svcc's, and nothing was applied under this prefix; choose another prefix, or remove it"
    assert [*foreign_chains("iptables", live, PREFIX)] == ([f"iptables: chain {named} {why}"] if named else [])


@pytest.mark.parametrize(
    ("created", "foreign"),
    [
        ("SVCC-CLUSTER-IP hash:ip,port family inet", False),
        ("SVCC-6-CLUSTER-IP hash:ip,port family inet6", False),
        ("SVCC-CLUSTER-IP hash:ip family inet", True),
        ("SVCC-OUR-CLUSTER-IP hash:ip,port family inet", True),
        ("SVCC-BLOCKED hash:net family inet", True),
    ],
)
def test_sets_that_are_somebody_s(created: str, foreign: bool) -> None:
    sets = parse_sets(f"create {created} hashsize 1024 maxelem 65536\n")
    assert bool([*foreign_sets(sets, PREFIX)]) == foreign


def test_few_of_many_are_named() -> None:
    (said,) = foreign_chains("iptables", chains("nat", A=(), B=(), C=(), D=(), E=()), PREFIX)
    assert said.startswith(
        "iptables: chains SVCC-A (table nat), SVCC-B (table nat), SVCC-C (table nat) and 2 more are not"
    )

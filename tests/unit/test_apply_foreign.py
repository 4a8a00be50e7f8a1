"""svcc recognises as its own what it prints, for every program, and nothing that others put under its prefix."""

from __future__ import annotations

import pytest
from hypothesis import given

from support.strategies import programs
from svcc.apply.foreign import foreign_chains, foreign_sets, own_chains, own_sets
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel.ipset.sets import parse_sets
from svcc.kernel.xtables.state import ForeignJump, State, Table, parse_script
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.targets.interface import Artifact, Bundle, Part

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
                state = parse_script(texts[part], Scope(prefix))
                assert own_chains(state, part, Scope(prefix)) is state
            sets = parse_sets(texts.get("ipset", ""))
            assert own_sets(sets, Scope(prefix)) == sets


ENTRY = "-j SVCC-SERVICES"
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
    own = own_chains(live, "iptables", Scope(PREFIX))
    why = "is not svcc's, as no target makes it; choose another prefix, or remove it"
    assert [*foreign_chains("iptables", own.foreign)] == ([f"iptables: chain {named} {why}"] if named else [])
    assert own == (State(prefix=PREFIX) if named else live)


def test_what_a_bundle_declares_is_ours_whatever_became_of_it() -> None:
    """Also chains of names that no target makes any more, which an older svcc made."""
    live = chains("nat", SERVICES=("-j LOG",), FORMER=())
    text = "*nat\n:SVCC-FORMER - [0:0]\n:SVCC-SERVICES - [0:0]\nCOMMIT\n"
    assert own_chains(live, "iptables", _scope("iptables", text)) is live
    sets = parse_sets("create SVCC-FORMER hash:ip family inet hashsize 1024 maxelem 65536\n")
    assert own_sets(sets, _scope("ipset", "create SVCC-FORMER hash:ip family inet\n")) == sets


def _scope(part: str, text: str) -> Scope:
    return Scope(PREFIX).including(Bundle("ipvs", None, (Artifact(Part(part, "", ""), text),)))


def test_rules_that_lead_to_what_is_somebody_s_are_theirs_and_theirs_may_hold_ours() -> None:
    ours = {f"{PREFIX}-SERVICES": (SERVED,), f"{PREFIX}-SVC-web": ()}
    theirs = {f"{PREFIX}-FOO": ("-s 192.0.2.1/32 -j DROP", f"-j {PREFIX}-SVC-web")}
    live = State({"nat": Table({**ours, **theirs}, (("PREROUTING", f"-j {PREFIX}-FOO"), ("PREROUTING", ENTRY)))})
    own = own_chains(live, "iptables", Scope(PREFIX))
    assert own == State({"nat": Table(ours, (("PREROUTING", ENTRY),))})
    assert own.held == (ForeignJump("nat", f"{PREFIX}-FOO", f"-j {PREFIX}-SVC-web"),)


@pytest.mark.parametrize(
    ("created", "foreign"),
    [
        ("SVCC-CLUSTER-IP hash:ip,port family inet", False),
        ("SVCC-6-CLUSTER-IP hash:ip,port family inet6", False),
        ("SVCC-CLUSTER-IP hash:ip family inet", True),
        ("SVCC-OUR-CLUSTER-IP hash:ip,port family inet", True),
        ("SVCC-BLOCKED hash:net family inet", True),
        ("SVCC-TMP0 hash:net family inet", False),
    ],
)
def test_sets_that_are_somebody_s(created: str, foreign: bool) -> None:
    sets = parse_sets(f"create {created} hashsize 1024 maxelem 65536\n")
    own = own_sets(sets, Scope(PREFIX))
    assert bool([*foreign_sets(own.foreign)]) == foreign
    assert own == ({} if foreign else sets)


def test_few_of_many_are_named() -> None:
    own = own_chains(chains("nat", A=(), B=(), C=(), D=(), E=()), "iptables", Scope(PREFIX))
    (said,) = foreign_chains("iptables", own.foreign)
    assert said.startswith(
        "iptables: chains SVCC-A (table nat), SVCC-B (table nat), SVCC-C (table nat) and 2 more are not"
    )

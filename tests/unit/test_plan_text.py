"""What the text of a plan says beside its changes."""

from __future__ import annotations

import pytest

from svcc.apply.driver import Transition
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.machine import Machine
from svcc.apply.scope import Scope
from svcc.apply.states import States
from svcc.plan_text import moved


def said(old: str | None, new: str | None, patience: float = 10.0) -> list[str]:
    nothing = States({})
    plan = ExecutionPlan(Machine(Scope("SVCC")), Transition(old, new), nothing, nothing, (), (), (), patience=patience)
    return [*moved(plan)]


@pytest.mark.parametrize("target", ["nft", "iptables", "ipvs", None])
def test_who_stays_with_a_target_is_told_nothing(target: str | None) -> None:
    assert said(target, target) == said(None, target) == said(target, None) == []


@pytest.mark.parametrize(
    ("old", "new"), [("nft", "iptables"), ("iptables", "nft"), ("nft", "ipvs"), ("iptables", "ipvs")]
)
def test_what_was_translated_goes_on_in_a_move(old: str, new: str) -> None:
    only_ipvs = (
        "for 120 s after a connection through a service, a client that connects to its endpoint itself from the same "
        "source port gets no answer (IPVS takes it for the old one)"
    )
    assert said(old, new) == [
        f"from {old} to {new}: new connections go the new way at once, those that are open go on as they are",
        f"clients that affinity remembers are not taken along: with {new} each chooses an endpoint anew",
        *([only_ipvs] if new == "ipvs" else []),
    ]


@pytest.mark.parametrize(
    ("patience", "end"), [(10, "have 10 s to end (--drain SECONDS)"), (0, "end at once (--drain SECONDS)")]
)
def test_what_ipvs_forwards_has_its_time_in_a_move(patience: float, end: str) -> None:
    assert said("ipvs", "nft", patience) == [
        f"from ipvs to nft: new connections go the new way at once, those that are open {end}",
        "clients that affinity remembers are not taken along: with nft each chooses an endpoint anew",
    ]

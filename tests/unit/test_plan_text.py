"""What the text of a plan says beside its changes."""

from __future__ import annotations

from typing import Any

import pytest

from support.nft_programs import program
from svcc.apply.driver import Transition
from svcc.apply.drivers.devices import DeviceDriver
from svcc.apply.drivers.rules import Ip6tablesDriver, IptablesDriver
from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.fates import Fate, Fated
from svcc.apply.machine import Machine
from svcc.apply.nft import DRIVER
from svcc.apply.scope import Scope
from svcc.apply.states import DifferingPart, States
from svcc.compiler.comparison import compare
from svcc.kernel.link.devices import Device
from svcc.kernel.nft.state import NftState, Table
from svcc.kernel.routes import Route
from svcc.kernel.steps import FrontendAddress
from svcc.kernel.xtables.state import State
from svcc.kernel.xtables.state import Table as XtablesTable
from svcc.plan_text import answered, fate_text, forgotten, moved, released
from svcc.targets import targets


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
    only_ipvs = [
        (
            "for 120 s after a connection through a service, a client that connects to its endpoint itself from the "
            "same source port gets no answer (IPVS takes it for the old one)"
        ),
        (
            "of two connections from one source port of a client, by two addresses to the same endpoint, the older one "
            "gets no answers (IPVS takes both for the newer one)"
        ),
    ]
    assert said(old, new) == [
        f"from {old} to {new}: new connections go the new way at once, those that are open go on as they are",
        f"clients that affinity remembers are not taken along: with {new} each chooses an endpoint anew",
        *(only_ipvs if new == "ipvs" else []),
    ]


@pytest.mark.parametrize(
    ("patience", "end"), [(10, "have 10 s to end (--drain SECONDS)"), (0, "end at once (--drain SECONDS)")]
)
def test_what_ipvs_forwards_has_its_time_in_a_move(patience: float, end: str) -> None:
    assert said("ipvs", "nft", patience) == [
        f"from ipvs to nft: new connections go the new way at once, those that are open {end}",
        "clients that affinity remembers are not taken along: with nft each chooses an endpoint anew",
    ]


_SERVICE = "service {0} {{ vip 198.19.0.1; port {1} {2}/tcp; {3}; endpoints {{ 100.64.0.9; 100.64.0.19 }} }}"
_EACH, _WHOLE, _LARGE = "affinity client-ip", "affinity client-ip per service", "20000-29999"


def _forgotten(target: str, before: tuple[str, str], after: tuple[str, str], affinity: str, port: str = "80") -> bool:
    """Whether the clients of a service are told to choose anew. ``before``, ``after``: its name, and its port's."""
    nothing = States({})
    transition = Transition(target, target)
    plan = ExecutionPlan(Machine(Scope("SVCC")), transition, nothing, nothing, (), (), ())
    old, new = (program(_SERVICE.format(*names, port, affinity)) for names in (before, after))
    said = [*forgotten(plan, compare(old, new).services)]
    words = "clients that affinity remembers are not taken along to another name"
    words = f"{words}: with {target} each chooses an endpoint anew"
    assert said in ([], [f"{after[0]}: {words}"])
    return bool(said)


@pytest.mark.parametrize(
    ("affinity", "port", "service", "port_alone"),
    [
        (_EACH, "80", {"iptables"}, {"iptables"}),
        (_WHOLE, "80", {"iptables", "ipvs"}, set()),
        (_EACH, _LARGE, {"iptables", "ipvs"}, {"iptables"}),
        ("scheduler rr", "80", set(), set()),
    ],
)
def test_where_clients_are_remembered_by_name_another_name_forgets_them(
    affinity: str, port: str, service: set[str], port_alone: set[str]
) -> None:
    kernel = [name for name, target in targets().items() if target.loads]
    old = ("web", "http")
    assert {name for name in kernel if _forgotten(name, old, ("shop", "http"), affinity, port)} == service
    assert {name for name in kernel if _forgotten(name, old, ("web", "main"), affinity, port)} == port_alone
    assert not any(_forgotten(name, old, old, affinity, port) for name in kernel)


def _answered(before: dict[str, str] | None, after: dict[str, str] | None, *, everything: bool = False) -> list[str]:
    """``before``, ``after``: the addresses of the device with their options; None: there is no device."""
    have, want = ({} if one is None else {"svcc0": Device("svcc0", True, one)} for one in (before, after))
    differing = (DifferingPart(DeviceDriver(), have, want),)
    nothing = States({})
    transition = Transition("ipvs", "ipvs")
    plan = ExecutionPlan(Machine(Scope("SVCC")), transition, nothing, nothing, (), (), (), differing=differing)
    return [*answered(plan, everything=everything)]


def test_the_addresses_for_which_the_machine_begins_and_ceases_to_answer_are_named() -> None:
    quiet = {"198.51.100.9/32": "scope host", "2001:db8::9/128": "nodad"}
    loud = dict.fromkeys(quiet, "")
    begins = [
        "This machine begins to answer ARP for 198.51.100.9.",
        "This machine begins to answer neighbour solicitations for 2001:db8::9.",
    ]
    ceases = [line.replace("begins", "ceases") for line in begins]
    assert _answered(None, loud) == _answered(quiet, loud) == begins
    assert _answered(loud, None) == _answered(loud, quiet) == ceases
    assert _answered(None, quiet) == _answered(loud, {**loud, "198.51.100.10/32": "scope host"}) == []


def test_addresses_are_in_the_order_of_their_numbers_and_the_first_of_many_are_named() -> None:
    many = {f"198.51.100.{last}/32": "" for last in range(1, 21)}
    assert _answered({}, many) == [
        "This machine begins to answer ARP for "
        + ", ".join(f"198.51.100.{last}" for last in range(1, 9))
        + " and 12 more."
    ]
    (line,) = _answered(many, {}, everything=True)
    assert line == f"This machine ceases to answer ARP for {', '.join(one.partition('/')[0] for one in many)}."


_WEB, _DNS = (FrontendAddress("198.19.0.1", protocol, port) for protocol, port in (("tcp", 80), ("udp", 53)))


@pytest.mark.parametrize(
    ("frontend", "number", "fate", "words"),
    [
        (_WEB, 2, Fate.GOES_ON, "go on until they end, while the endpoint answers"),
        (_WEB, 1, Fate.RELEASED, "end, unless something else keeps them translated"),
        (_WEB, 2, Fate.ENDS, "end, as the endpoint leaves"),
        (_DNS, 2, Fate.MOVES, "forgotten, their next packet goes to another endpoint"),
        (_DNS, 2, Fate.FORGOTTEN, "forgotten, and no endpoint is left for their next packet"),
    ],
)
def test_a_plan_says_what_becomes_of_connections(
    frontend: FrontendAddress, number: int, fate: Fate, words: str
) -> None:
    connections = "1 connection" if number == 1 else f"{number} connections"
    said = fate_text(Fated(Route(frontend, "100.64.0.9", 8080), number, fate))
    assert said == f"{connections} from {frontend} to 100.64.0.9:8080: {words}"


def test_a_plan_says_which_flows_are_served_from_now_on() -> None:
    said = fate_text(Fated(Route(_DNS, "198.19.0.1", 53), 3, Fate.SERVED))
    words = "which was not served: forgotten, their next packet goes to an endpoint"
    assert said == f"3 connections to 198.19.0.1:53/udp, {words}"


def _tables(*families: str) -> NftState:
    return NftState({family: Table("svcc") for family in families})


def _released(old: str | None, new: str | None, *differing: DifferingPart[Any]) -> list[int]:
    """The IP versions that a plan says are left."""
    wanted = Machine(Scope("SVCC")).parse(None)
    plan = ExecutionPlan(Machine(Scope("SVCC")), Transition(old, new), wanted, wanted, (), (), (), differing=differing)
    said = [*released(plan)]
    assert len(said) == len({*plan.released} if old != "ipvs" else ())
    return [version for version in (4, 6) if any(f"left for IPv{version}:" in line for line in said)]


def test_a_plan_says_of_which_family_no_rule_is_left() -> None:
    """Another part may go on to track it."""
    both, four = _tables("ip", "ip6"), _tables("ip")
    some, none = State({"nat": XtablesTable()}), State()
    assert _released("nft", "nft", DifferingPart(DRIVER, both, four)) == [6]
    assert _released("nft", None, DifferingPart(DRIVER, both, NftState())) == [4, 6]
    assert _released("nft", "nft", DifferingPart(DRIVER, four, both)) == []
    assert _released("iptables", "iptables", DifferingPart(IptablesDriver(), some, none)) == [4]
    moves = DifferingPart(DRIVER, both, NftState()), DifferingPart(Ip6tablesDriver(), none, some)
    assert _released("nft", "iptables", *moves) == [4]
    assert _released("ipvs", None, DifferingPart(IptablesDriver(), some, none)) == []

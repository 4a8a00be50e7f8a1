"""The driver of ipsets on this machine's own kernel."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.apply_states import SAME, arrived, go, inside, phases, run, steps_to, take
from support.files import GOLDEN
from support.ipvs_kernel import EVERYTHING, TARGET, part, render
from support.large_programs import plain
from support.strategies import programs_for
from svcc.apply.drivers import IpsetDriver
from svcc.apply.drivers.sets import meaning
from svcc.apply.scope import Scope, scope_of_program
from svcc.kernel import tools
from svcc.kernel.ipset.sets import Set, Sets, load_sets
from svcc.kernel.steps import FrontendAddress, Phase, StepError, Verb
from svcc.targets.interface import Artifact, Bundle

pytestmark = pytest.mark.kernel

DRIVER = IpsetDriver()
FILES = GOLDEN / "ipvs"
PREFIX = "T"
SCOPE = Scope(PREFIX)
#: Somebody else's: names that are almost ours, and what only they use.
OTHERS = """\
create TT-SERVICE-IP hash:ip family inet hashsize 2048 maxelem 10 timeout 600
add TT-SERVICE-IP 198.19.0.1 timeout 0
create T hash:net family inet counters comment
add T 10.0.0.0/8 packets 3 bytes 4 comment "ours, said T"
create t-SERVICE-IP bitmap:port range 0-100
add t-SERVICE-IP 80
create group list:set size 8
add group T
create T-BLOCK hash:ip
add T-BLOCK 192.0.2.1
create T-OUR-CLUSTER-IP hash:ip,port
create T-POD-NET hash:ip
create T-TMP hash:ip
"""


@pytest.fixture
def _namespace() -> Iterator[None]:
    with inside():
        yield


def parsed(text: str) -> Sets:
    return DRIVER.parse(text, SCOPE)


def sets(**elements: list[str]) -> dict[str, Set]:
    """Sets of two purposes, by the name behind the prefix."""
    found = {f"{PREFIX}-{name.replace('_', '-')}": some for name, some in elements.items()}
    return {name: made(name, _created(name), some) for name, some in found.items()}


def _created(name: str) -> str:
    if "NODE-PORT" in name:
        return "bitmap:port range 1-100"
    return (
        f"{'hash:ip' if name.endswith('-IP') and 'CLUSTER' not in name else 'hash:ip,port'} family inet maxelem 65536"
    )


def made(name: str, created: str, elements: Iterable[str]) -> Set:
    return load_sets({name: [created, "", [*elements]]})[name]


# -- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_namespace")
@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir()))
def test_what_was_loaded_by_hand_reads_as_its_text(name: str) -> None:
    text = (FILES / name / "ipset.restore").read_text()
    scope = Scope(text.split("-SERVICE-IP ")[0].removeprefix("create "))
    run("ipset -exist restore", text)
    arrived(DRIVER, parsed(text), scope)
    go(DRIVER, {}, scope)
    go(DRIVER, parsed(text), scope)


@pytest.mark.usefixtures("_namespace")
def test_nothing_there() -> None:
    assert DRIVER.read(SCOPE, {}) == {}
    assert DRIVER.parse("", SCOPE) == {}


@pytest.mark.parametrize("line", ["add T-X 1.2.3.4", "swap T-X T-Y", "create T-X"])
def test_a_text_that_svcc_did_not_write(line: str) -> None:
    with pytest.raises(ValueError, match=f"^line 3: .*{line}$"):
        parsed(f"create T-A hash:ip family inet maxelem 65536\nadd T-A 1.1.1.1\n{line}\n")


def test_without_the_tool_nothing_is_there_and_nothing_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svcc.kernel.tools.find", lambda _: None)
    assert DRIVER.read(SCOPE, {}) == {}
    (step,) = DRIVER.steps({}, sets(SERVICE_IP=["10.0.0.1"]), SCOPE, SAME)
    with pytest.raises(StepError, match=r"^ipset: ipset is not installed$"):
        step.run()


@pytest.mark.parametrize(
    ("name", "element", "frontend"),
    [
        ("T-CLUSTER-IP", "198.19.10.0,tcp:80", FrontendAddress("198.19.10.0", "tcp", 80)),
        ("T-6-RESTRICTED", "fd00:19::8,sctp:80", FrontendAddress("fd00:19::8", "sctp", 80)),
        ("T-ALLOWED", "198.19.10.0,udp:80,10.0.0.0/8", FrontendAddress("198.19.10.0", "udp", 80)),
        ("T-NODE-PORT-UDP", "30000", FrontendAddress(None, "udp", 30000)),
        ("T-6-NODE-PORT-SCTP", "fd00:10::4,sctp:9", FrontendAddress(None, "sctp", 9)),
        ("T-LOOP-BACK", "10.0.0.1,tcp:80,10.0.0.1", None),
        ("T-SERVICE-IP", "198.19.10.0", None),
        ("T-OTHER", "198.19.10.0,icmp:echo-request", None),
    ],
)
def test_the_frontend_that_an_element_belongs_to(name: str, element: str, frontend: FrontendAddress | None) -> None:
    assert meaning().frontend(name, element) == frontend


def declaring(state: Sets) -> Bundle:
    """Return a bundle that has these sets."""
    text = "".join(f"{line}\n" for one in state.values() for line in one.lines())
    return Bundle(TARGET.name, None, (Artifact(next(one for one in TARGET.parts if one.name == "ipset"), text),))


# -- from any state to any state --------------------------------------------------------------------------------------


@st.composite
def states(draw: st.DrawFn) -> Sets:
    program, node = draw(programs_for(TARGET))
    program = replace(program, cluster=replace(program.cluster, prefix=PREFIX))
    return parsed(part(TARGET.render(program, node), "ipset"))


@st.composite
def drifts(draw: st.DrawFn, live: Sets) -> list[str]:
    """What somebody might do by hand to our sets."""
    commands = [*draw(st.sets(st.sampled_from([f"{PREFIX}-TMP0", f"{PREFIX}-TMP1", f"{PREFIX}-DIRECT"])))]
    commands = [
        f"create {name} hash:ip,port family inet\nadd {name} 10.9.9.9,tcp:9" for name in sorted({*commands} - {*live})
    ]
    for name in draw(st.lists(st.sampled_from(sorted(live)), unique=True)) if live else ():
        one = live[name]
        element = draw(st.sampled_from(sorted(one.elements)))
        options = one.head.replace("65536", "70000").replace("range ", "range 0-65535 ").split(" range 0-65535 ")[0]
        options += " range 0-65535" if "bitmap" in options else ""
        commands.append(
            draw(
                st.sampled_from(
                    [
                        f"flush {name}",
                        f"del {name} {element}",
                        f"destroy {name}",
                        f"destroy {name}\ncreate {name} {options}\nadd {name} {element}",
                        f"destroy {name}\ncreate {name} {options} counters timeout 900\nadd {name} {element}",
                        f"destroy {name}\ncreate {name} list:set",
                        f"flush {name}\nadd {name} {element} nomatch" if "net" in one.type else f"flush {name}",
                    ]
                )
            )
        )
    return commands


def seen(live: Sets, have: Sets, want: Sets) -> Sets:
    """What is there, as far as it is asked for: what both states have alike is taken to be there."""
    found = {}
    for name in (have.keys() | want.keys()) & live.keys():
        sides = [{*sets[name].elements.items()} if name in sets else set() for sets in (have, want)]
        asked = {element for element, _ in sides[0] ^ sides[1]}
        there = {element: options for element, options in live[name].elements.items() if element in asked}
        found[name] = replace(live[name], elements={**there, **dict(sides[0] & sides[1])})
    return found


@settings(max_examples=15)
@given(st.data())
def test_from_any_state_to_any_other_and_back_from_half_way(data: st.DataObject) -> None:
    first, second = data.draw(states()), data.draw(states())
    with inside():
        scope = SCOPE.including(declaring(first), declaring(second))
        others = OTHERS.replace("T-POD-NET", "T-HOST-NET" if "T-POD-NET" in {*first, *second} else "T-POD-NET")
        run("ipset restore", others)
        before = {name: run(f"ipset save {name}") for name in re.findall("^create ([^ ]+)", others, re.MULTILINE)}
        go(DRIVER, first, scope)
        for command in data.draw(drifts(first)):
            run("ipset restore", f"{command}\n")
        drifted = DRIVER.read(scope, second)
        assert (DRIVER.ask(first, second, scope) == first) == (seen(drifted, first, second) == first)
        steps = steps_to(DRIVER, second, scope)
        assert bool(steps) == (drifted != second) == bool([*DRIVER.changes(drifted, second)])
        take(steps[: data.draw(st.integers(0, len(steps)))])
        go(DRIVER, drifted, scope)
        go(DRIVER, second, scope)
        assert DRIVER.ask(first, second, scope) == second
        assert {name: run(f"ipset save {name}") for name in before} == before
        go(DRIVER, {}, scope)
        assert sorted(run("ipset list -n").split()) == sorted(before)


@pytest.mark.usefixtures("_namespace")
def test_a_host_in_a_network_of_a_set_is_told_from_the_network() -> None:
    """ipset says of both that they are in the set."""
    networks, both = (_nets(*some) for some in (["10.0.0.0/8"], ["10.0.0.0/8", "10.0.0.1"]))
    with inside():
        for have, want in ((networks, both), (both, networks)):
            go(DRIVER, have, SCOPE)
            assert DRIVER.ask(have, want, SCOPE) == have


def _nets(*elements: str) -> Sets:
    return {"T-POD-NET": made("T-POD-NET", "hash:net family inet maxelem 65536", elements)}


def test_what_an_ipset_that_answers_in_other_words_has_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    with inside():
        have, want = sets(CLUSTER_IP=["10.0.0.1,tcp:80", "10.0.0.2,tcp:80"]), sets(CLUSTER_IP=["10.0.0.1,tcp:80"])
        go(DRIVER, have, SCOPE)
        attempt = tools.attempt
        monkeypatch.setattr(tools, "attempt", lambda *words: replace(attempt(*words), stderr="10.0.0.2,tcp:80: yes\n"))
        assert DRIVER.ask(have, want, SCOPE) == have


def test_a_killed_tool_leaves_a_state_to_go_on_from() -> None:
    wanted = parsed(part(render(EVERYTHING), "ipset"))
    scope = Scope("CUSTOM")
    (step,) = DRIVER.steps({}, wanted, scope, SAME)
    lines = part(render(EVERYTHING), "ipset").splitlines(keepends=True)
    for count in range(0, step.size, 17):
        run("ipset restore", "".join(lines[:count]))
        go(DRIVER, wanted, scope)
        go(DRIVER, {}, scope)


# -- what the steps are -----------------------------------------------------------------------------------------------


def test_one_changed_endpoint_among_ten_thousand_services() -> None:
    program = plain(10_000)
    service = program.services[5_000]
    assert len(service.endpoints) > 1
    moved = replace(service.endpoints[0], address=IPv4Address("100.127.0.1"))
    services = list(program.services)
    services[5_000] = replace(service, endpoints=(moved, *service.endpoints[1:]))
    bundles = [TARGET.render(p, program.nodes[0]) for p in (program, replace(program, services=tuple(services)))]
    before, after = (parsed(part(bundle, "ipset")) for bundle in bundles)
    scope = scope_of_program(program)
    assert [str(change) for change in DRIVER.changes(before, after)] == [
        f"- element SVCC-LOOP-BACK {service.endpoints[0].address},tcp:8080,{service.endpoints[0].address}",
        "+ element SVCC-LOOP-BACK 100.127.0.1,tcp:8080,100.127.0.1",
    ]
    steps = DRIVER.steps(before, after, scope, SAME)
    assert [(step.phase, step.title, step.size) for step in steps] == [
        (Phase.SETS, "1 element added", 1),
        (Phase.SETS_OFF, "1 element removed", 1),
    ]


@pytest.mark.usefixtures("_namespace")
def test_what_lets_clients_in_comes_before_what_keeps_them_out_and_goes_after_it() -> None:
    """Half a step is what a failure leaves."""
    element = "198.19.10.1,tcp:80"
    wanted = sets(RESTRICTED=[element], ALLOWED=[f"{element},10.0.0.1"])
    wanted["T-ALLOWED"] = replace(wanted["T-ALLOWED"], type="hash:ip,port,net")
    emptied = {name: replace(one, elements={}) for name, one in wanted.items()}
    taken = []
    for live, target in (({}, wanted), (emptied, wanted), (wanted, emptied)):
        for step in DRIVER.steps(live, target, SCOPE, SAME):
            taken.append([*_lines(step.run)])
    assert taken == [
        [
            "create T-ALLOWED hash:ip,port,net family inet maxelem 65536",
            f"add T-ALLOWED {element},10.0.0.1",
            "create T-RESTRICTED hash:ip,port family inet maxelem 65536",
            f"add T-RESTRICTED {element}",
        ],
        [f"add T-ALLOWED {element},10.0.0.1", f"add T-RESTRICTED {element}"],
        [f"del T-RESTRICTED {element}", f"del T-ALLOWED {element},10.0.0.1"],
    ]


def _lines(step: object) -> list[str]:
    """What a step gives to ipset."""
    assert callable(step)
    given: list[str] = []

    def attempt(_: object, __: object, text: str) -> _Done:
        given.append(text)
        return _Done()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("svcc.kernel.tools.attempt", attempt)
        step()
    return given[0].splitlines()


class _Done:
    returncode = 0


@pytest.mark.usefixtures("_namespace")
def test_declared_ports_go_first_and_sets_last() -> None:
    full = sets(
        SERVICE_IP=["10.0.0.1", "10.0.0.2"],
        CLUSTER_IP=["10.0.0.1,tcp:80", "10.0.0.2,tcp:80"],
        NODE_PORT_TCP=["80", "81"],
    )
    half = sets(SERVICE_IP=["10.0.0.1"], CLUSTER_IP=["10.0.0.1,tcp:80"], NODE_PORT_TCP=["80"])
    assert phases(go(DRIVER, full, SCOPE)) == {Phase.SETS: "3 sets created, 6 elements added"}
    assert phases(go(DRIVER, half, SCOPE)) == {
        Phase.DECLARED_OFF: "2 elements removed",
        Phase.SETS_OFF: "1 element removed",
    }
    assert phases(go(DRIVER, {}, SCOPE)) == {Phase.SETS_OFF: "3 sets destroyed"}


# -- sets that are made anew ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_namespace")
def test_a_set_is_made_anew_below_the_rules_that_name_it() -> None:
    before = {"T-NODE-PORT-TCP": made("T-NODE-PORT-TCP", "bitmap:port range 100-200", ["150", "199"])}
    after = {"T-NODE-PORT-TCP": made("T-NODE-PORT-TCP", "bitmap:port range 120-300", ["150", "250"])}
    go(DRIVER, before, SCOPE)
    rule = "-A OUTPUT -p tcp -m set --match-set T-NODE-PORT-TCP dst -j DROP"
    run(f"iptables-legacy {rule}")
    assert phases(go(DRIVER, after, SCOPE)) == {Phase.SETS: "1 set made anew, 2 elements added"}
    assert f"{rule}\n" in run("iptables-legacy -w -S OUTPUT")
    assert "References: 1\n" in run("ipset list -t T-NODE-PORT-TCP")
    assert run("ipset list -n") == "T-NODE-PORT-TCP\n"


@pytest.mark.usefixtures("_namespace")
def test_elements_that_leave_stay_for_their_phase_while_a_set_is_made_anew() -> None:
    before = sets(CLUSTER_IP=["10.0.0.1,tcp:80", "10.0.0.2,tcp:80"])
    after = {
        name: replace(one, room=3, elements={"10.0.0.2,tcp:80": "", "10.0.0.3,tcp:80": ""})
        for name, one in before.items()
    }
    go(DRIVER, before, SCOPE)
    making, declared = steps_to(DRIVER, after, SCOPE)
    making.run()
    assert DRIVER.read(SCOPE, after)["T-CLUSTER-IP"].elements.keys() == {f"10.0.0.{n},tcp:80" for n in (1, 2, 3)}
    assert declared.phase is Phase.DECLARED_OFF
    declared.run()
    arrived(DRIVER, after, SCOPE)
    go(DRIVER, before, SCOPE)


@pytest.mark.usefixtures("_namespace")
def test_a_temporary_set_that_was_left_over_is_removed() -> None:
    before = sets(SERVICE_IP=["10.0.0.1"])
    go(DRIVER, before, SCOPE)
    run("ipset create T-TMP0 hash:ip family inet maxelem 9")
    after = {"T-SERVICE-IP": replace(before["T-SERVICE-IP"], room=9)}
    go(DRIVER, after, SCOPE)
    assert run("ipset list -n") == "T-SERVICE-IP\n"


# -- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_namespace")
def test_a_refused_element_is_named_before_anything_is_changed() -> None:
    live = sets(SERVICE_IP=["10.0.0.1"], CLUSTER_IP=["10.0.0.1,tcp:80"])
    go(DRIVER, live, SCOPE)
    wanted = sets(SERVICE_IP=["10.0.0.1", "10.0.0.2"], CLUSTER_IP=["10.0.0.1,tcp:80", "10.0.0.300,tcp:80"])
    wanted["T-SHARED-IP"] = replace(wanted["T-SERVICE-IP"], name="T-SHARED-IP")
    _, step = DRIVER.steps(live, wanted, SCOPE, SAME)
    assert step.check is not None
    with pytest.raises(StepError) as caught:
        step.check()
    error = caught.value
    assert error.line == "add T-CLUSTER-IP 10.0.0.300,tcp:80"
    assert error.words.startswith("Syntax error: cannot parse 10.0.0.300")
    arrived(DRIVER, live, SCOPE)


@pytest.mark.usefixtures("_namespace")
def test_a_set_that_is_full_names_the_element_and_can_be_undone() -> None:
    created = "hash:ip,port family inet maxelem 2"
    live: Sets = {"T-CLUSTER-IP": made("T-CLUSTER-IP", created, ["10.0.0.1,tcp:80"])}
    go(DRIVER, live, SCOPE)
    wanted = {"T-CLUSTER-IP": made("T-CLUSTER-IP", created, [f"10.0.0.{n},tcp:80" for n in range(1, 5)])}
    (step,) = steps_to(DRIVER, wanted, SCOPE)
    with pytest.raises(StepError) as caught:
        step.run()
    assert caught.value.words == "Hash is full, cannot add more elements"
    culprit = caught.value.culprit
    assert culprit is not None
    assert (culprit.verb, culprit.kind, culprit.frontend) == (
        Verb.ADD,
        "element",
        FrontendAddress("10.0.0.3", "tcp", 80),
    )
    assert caught.value.line == "add T-CLUSTER-IP 10.0.0.3,tcp:80"
    go(DRIVER, live, SCOPE)


@pytest.mark.usefixtures("_namespace")
def test_a_set_that_somebody_uses_is_named() -> None:
    go(DRIVER, sets(SERVICE_IP=["10.0.0.1"]), SCOPE)
    run("iptables-legacy -w -A OUTPUT -m set --match-set T-SERVICE-IP dst -j DROP")
    (step,) = steps_to(DRIVER, {}, SCOPE)
    with pytest.raises(StepError, match="in use by a kernel component") as caught:
        step.run()
    assert str(caught.value.culprit) == "- set T-SERVICE-IP"
    run("iptables-legacy -w -F OUTPUT")
    go(DRIVER, {}, SCOPE)


@pytest.mark.usefixtures("_namespace")
def test_a_tool_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "ipset"
    fake.write_text("#!/bin/sh\nkill -9 $$\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (step,) = DRIVER.steps({}, sets(SERVICE_IP=["10.0.0.1"]), SCOPE, SAME)
    with pytest.raises(StepError, match=r"^ipset: ipset was killed by SIGKILL$"):
        step.run()


@pytest.mark.usefixtures("_namespace")
@pytest.mark.parametrize("gone", ["T-GONE", "T-NO NAME", ""])
def test_a_set_that_went_after_it_was_listed_is_none(
    gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("ipset restore", OTHERS)
    live = sets(NODE_IP=["10.0.0.4"], SERVICE_IP=["10.0.0.1"])
    go(DRIVER, live, SCOPE)
    listing = tmp_path / "ipset"
    listing.write_text(
        f"""#!/bin/sh
PATH=${{PATH#*:}}
[ "$1" = list ] && echo "{gone}"
exec ipset "$@"
"""
    )
    listing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert DRIVER.read(SCOPE, live) == live

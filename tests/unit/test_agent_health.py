"""From answers to which endpoints are up, and from that to the program that is served."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.strategies import programs
from svcc.agent import standings
from svcc.agent.check_results import CheckResults
from svcc.agent.health import Health, Standing, all_serving
from svcc.agent.log import Field, Level, Log
from svcc.agent.metrics import Metrics
from svcc.agent.probe import Answer, Probe, probe_of, probes, services_text
from svcc.apply.store import Store
from svcc.compiler import ir
from svcc.compiler.frontends import frontends
from svcc.compiler.load import load_text
from svcc.compiler.source import Source

GOOD, BAD = Answer(True, "fine", 0.001), Answer(False, "refused", 0.001)


def read(text: str) -> ir.Program:
    program = load_text(Source("x.dsl", text)).program
    assert program is not None
    return program


def web(more: str = "", endpoints: str = "100.64.0.1; 100.64.0.2; 100.64.0.3") -> ir.Program:
    check = "" if "check" in more else "check tcp fall 3 rise 2"
    return read(f"service web {{ vip 198.19.0.1; port 80/tcp; {check}; {more}; endpoints {{ {endpoints} }} }}")


def weights(program: ir.Program) -> list[int]:
    return [endpoint.weight for service in program.services for endpoint in service.endpoints]


def hear(health: Health, program: ir.Program, *failed: int) -> ir.Program:
    """What is served after so many answers that all is decided; ``failed``: the last bytes of addresses."""
    for probe in probes(program):
        for _ in range(5):
            health.hear(probe, BAD if int(probe.address) % 256 in failed else GOOD, 0.0)
    return health.served_all(program)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 4), st.integers(1, 4), st.booleans(), st.booleans())
def test_it_goes_down_after_fall_and_up_after_rise(
    answers: list[bool], fall: int, rise: int, up: bool, joining: bool
) -> None:
    check = ir.Check(ir.CheckKind.TCP, fall=fall, rise=rise)
    standing = Standing(up, 0.0, joining=joining and not up)
    joins = joining and not up
    for at, passed in enumerate(answers):
        before = standing
        standing = standing.after(GOOD if passed else BAD, check, float(at))
        needed = fall if before.up else 1 if joins else rise
        run = next((n for n, one in enumerate(reversed(answers[: at + 1])) if one != passed), at + 1)
        if passed == before.up:
            assert standing.up == before.up
        elif standing.up != before.up:
            assert run >= needed
            assert standing.since == float(at)
            joins = False
        else:
            assert standing.row < needed


@given(programs())
def test_without_answers_all_serve_that_served(program: ir.Program) -> None:
    health = Health()
    health.follow(program, all_serving(program), 0.0)
    assert health.served_all(program) == program


@given(programs(), st.data())
def test_only_checked_endpoints_that_fail_change(program: ir.Program, data: st.DataObject) -> None:
    """Whatever fails: services without a check stay as they are; nothing but weights differs, and who is a backup where
    draining endpoints may serve."""
    health = Health()
    health.follow(program, (), 0.0)
    for probe in probes(program):
        answer = GOOD if data.draw(st.booleans()) else BAD
        for _ in range(max(probe.check.fall, probe.check.rise)):
            health.hear(probe, answer, 0.0)
    for before, after in zip(program.services, health.served_all(program).services, strict=True):
        assert replace(after, endpoints=before.endpoints) == before
        if before.check is None:
            assert after == before
        for one, other in zip(before.endpoints, after.endpoints, strict=True):
            asked = probe_of(before, one) if one.weight else None
            last = before.when_empty is ir.WhenEmpty.DRAINING and other.weight != one.weight
            assert replace(other, weight=one.weight, backup=one.backup) == one
            assert other.backup == (one.backup or last)
            assert other.weight == one.weight or (asked is not None and not health.is_up(asked))


def test_a_failed_endpoint_drains_and_comes_back() -> None:
    program, health = web(), Health()
    health.follow(program, (), 0.0)
    assert weights(hear(health, program, 2)) == [1, 0, 1]
    assert weights(hear(health, program)) == [1, 1, 1]


@given(st.lists(st.booleans(), min_size=1_000, max_size=1_000))
def test_flapping_changes_nothing_else(answers: list[bool]) -> None:
    program, health = web(), Health()
    health.follow(program, (), 0.0)
    before = hear(health, program)
    second = next(probe for probe in probes(program) if int(probe.address) % 256 == 2)
    for passed in answers:
        health.hear(second, GOOD if passed else BAD, 1.0)
        assert weights(health.served_all(program)) == [1, int(health.is_up(second)), 1]
    assert hear(health, program) == before


@pytest.mark.parametrize(("when", "left"), [("open", [1, 1, 1]), ("empty", [0, 0, 0])])
def test_when_all_fail(when: str, left: list[int]) -> None:
    program, health = web(f"when-failed {when}"), Health()
    health.follow(program, (), 0.0)
    assert weights(hear(health, program, 1, 2, 3)) == left


@pytest.mark.parametrize(("endpoints", "serve"), [("100.64.0.1; 100.64.0.2 draining", {2}), ("100.64.0.1", set[int]())])
def test_who_failed_serves_nobody_where_draining_endpoints_do(endpoints: str, serve: set[int]) -> None:
    program, health = web("when-failed empty; when-empty draining", endpoints), Health()
    health.follow(program, (), 0.0)
    (frontend,) = frontends(hear(health, program, 1), None)
    assert {int(endpoint.address) % 256 for endpoint in frontend.endpoints} == serve


def test_when_all_of_a_family_fail_the_other_is_as_it_is() -> None:
    text = (
        "service web { vip 198.19.0.1 fd00::1; port 80/tcp; check tcp; "
        "endpoints { 100.64.0.1; 100.64.0.2; fd00:64::5; fd00:64::6 } }"
    )
    program, health = read(text), Health()
    health.follow(program, (), 0.0)
    assert weights(hear(health, program, 1, 2, 5)) == [1, 1, 0, 1]


def test_one_probe_for_an_address_a_port_and_a_check() -> None:
    service = "service s{0} {{ vip 198.19.0.{0}; port 80/tcp; check tcp; endpoints {{ {1} }} }}"
    text = "\n".join(service.format(number, "100.64.0.1; 100.64.0.2 weight 0") for number in range(1, 6))
    assert [str(probe) for probe in probes(read(text))] == ["tcp 100.64.0.1:80"]


def test_a_new_endpoint_joins_with_its_first_answer_that_passes_and_one_that_serves_stays() -> None:
    program, health = web(), Health()
    health.follow(program, all_serving(web(endpoints="100.64.0.1; 100.64.0.2")), 0.0)
    assert weights(health.served_all(program)) == [1, 1, 0]
    third = [*probes(program)][2]
    assert health.hear(third, GOOD, 1.0)
    assert weights(health.served_all(program)) == [1, 1, 1]
    assert not health.hear(third, BAD, 1.0)
    assert weights(health.served_all(program)) == [1, 1, 1]


def test_what_is_known_of_an_endpoint_lasts_over_programs_and_agents() -> None:
    program, health = web(), Health()
    health.follow(program, (), 0.0)
    hear(health, program, 2)
    health.follow(web(endpoints="100.64.0.2; 100.64.0.3; 100.64.0.4"), (), 1.0)
    assert {str(p): s.up for p, s in health.standings.items()} == {
        "tcp 100.64.0.2:80": False,
        "tcp 100.64.0.3:80": True,
        "tcp 100.64.0.4:80": False,
    }
    later = Health({probe.key: standing for probe, standing in health.standings.items()})
    later.follow(web(), (), 2.0)
    assert weights(later.served_all(web())) == [0, 0, 1]


@pytest.mark.parametrize(
    "check",
    [
        "tcp timeout 1s",
        "tcp every 9s",
        "tcp fall 9",
        "tcp rise 9",
        "tcp 80",
        "tcp 81",
        "http",
        "http /x host a.example",
    ],
)
def test_an_endpoint_that_is_down_stays_so_when_its_check_is_edited(check: str) -> None:
    before, health = web(), Health()
    health.follow(before, (), 0.0)
    hear(health, before, 2)
    after = web(f"check {check}")
    health.follow(after, all_serving(before), 1.0)
    assert weights(health.served_all(after)) == [1, 0, 1]
    assert weights(hear(health, after)) == [1, 1, 1] or "rise 9" in check


def test_an_endpoint_at_another_port_is_a_new_one() -> None:
    before, health = web(), Health()
    health.follow(before, (), 0.0)
    hear(health, before, 2)
    after = replace(before, services=(replace(one := before.services[0], ports=(replace(one.ports[0], target=81),)),))
    health.follow(after, all_serving(before), 1.0)
    assert [(one.up, one.joining) for one in health.standings.values()] == [(False, True)] * 3


def test_who_serves_for_another_service_or_at_another_port_is_new_to_a_service() -> None:
    other = "service other {{ vip 198.19.0.2; port 80/tcp -> 81; {} when-failed empty; endpoints {{ 100.64.0.1 }} }}"
    both = replace(web(), services=(*read(other.format("check tcp;")).services, *web().services))
    health = Health()
    health.follow(web(), all_serving(web()), 0.0)
    health.follow(both, all_serving(web()), 1.0)
    assert weights(health.served_all(both)) == [0, 1, 1, 1]
    assert health.all_fail(both.services[0]) is False


def test_a_port_that_a_check_names_is_the_one_that_it_asks_anyway() -> None:
    assert [*probes(web("check tcp"))] == [*probes(web("check tcp 80"))]


def test_an_answer_of_a_probe_that_is_not_followed_any_more() -> None:
    health = Health()
    health.follow(web(), (), 0.0)
    other = Probe(ip_address("100.64.0.9"), 80, ir.Check(ir.CheckKind.TCP))
    assert not health.hear(other, BAD, 0.0)
    assert health.is_up(other)


def test_an_answer_is_noted_where_it_says_something_new_and_changes_nothing() -> None:
    turned, said = list[Probe](), list[Probe]()
    results = CheckResults(_Kept(), Metrics(), lambda: 0.0, turned.append, said.append)
    results.health.follow(web(), all_serving(web(endpoints="100.64.0.1")), 0.0)
    first, second, _ = results.health.standings
    other = Answer(False, "no answer within 2 s", 2.0)
    told = []
    for probe, answer in (
        [(first, GOOD)] * 2
        + [(first, BAD)] * 4
        + [(first, other)]
        + [(second, BAD)] * 2
        + [(second, other), (second, GOOD)]
    ):
        turned.clear()
        said.clear()
        results.hear(probe, answer)
        told.append("turned" if turned else "said" if said else "")
    assert told == ["said", "", "", "", "turned", "", "said", "said", "", "said", "turned"]


def test_the_log_says_which_of_an_addresss_checks_it_is() -> None:
    text = "service {0} {{ vip 198.19.0.{1}; port 80/tcp; check {2} fall 1; endpoints {{ 100.64.0.1 }} }}\n"
    checks = ("a", "http"), ("b", "http /x host shop.example"), ("c", "http /y"), ("d", "http /y")
    log = _Kept()
    results = CheckResults(log, Metrics(), lambda: 0.0, lambda _: None, lambda _: None)
    program = read("".join(text.format(name, number, check) for number, (name, check) in enumerate(checks, 1)))
    results.health.follow(program, all_serving(program), 0.0)
    for probe in probes(program):
        results.hear(probe, BAD)
    assert log.lines == [
        'svcc: warning: down probe="http 100.64.0.1:80" service=a answer=refused',
        'svcc: warning: down probe="http 100.64.0.1:80" service=b path=/x host=shop.example answer=refused',
        'svcc: warning: down probe="http 100.64.0.1:80" service="c, d" path=/y answer=refused',
    ]
    assert services_text(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


class _Kept(Log):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def _say(self, level: Level, event: str, fields: dict[str, Field]) -> None:
        self.lines.append(self._line(level, event, fields))


def test_what_is_asked_of_the_state_alone_needs_no_library_of_the_agent() -> None:
    """`svcc agent status` works where only the command line is installed."""
    modules = "svcc.commands.agent, svcc.agent.standings"
    script = f"import sys, {modules}; print({{'aiohttp', 'prometheus_client'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@given(programs(min_services=1), st.data())
def test_what_is_kept_of_what_is_served_is_as_made_anew(program: ir.Program, data: st.DataObject) -> None:
    """What is served, and the metrics, are kept from one answer to the next."""
    health, metrics = Health(), Metrics()
    health.follow(program, (), 0.0)
    metrics.served(program, health)
    asked = [*probes(program)]
    for _ in range(data.draw(st.integers(0, 8))):
        stood: set[str] = set()
        for probe in data.draw(st.lists(st.sampled_from(asked), max_size=4)) if asked else ():
            if health.hear(probe, data.draw(st.sampled_from((GOOD, BAD))), 0.0):
                stood.update(health.users[probe])
        anew = Metrics()
        anew.served(program, health)
        metrics.served(program, health, stood)
        assert _gauges(metrics) == _gauges(anew)
        assert health.served_all(program) == replace(program, services=tuple(map(health.served, program.services)))


def _gauges(metrics: Metrics) -> list[str]:
    return sorted(
        line for line in metrics.text().decode().splitlines() if line.startswith(("svcc_services", "svcc_end"))
    )


@given(programs(min_services=1), st.data())
def test_what_is_noted_is_what_is_read(program: ir.Program, data: st.DataObject) -> None:
    health, writer = Health(), standings.Writer()
    with TemporaryDirectory() as folder:
        installation = Store(Path(folder)).installation("t")
        for _ in range(2):
            health.follow(program, (), data.draw(st.floats(0, 2e9)))
            for probe in probes(program):
                words = data.draw(st.text(max_size=20))
                answer = Answer(data.draw(st.booleans()), words, data.draw(st.floats(0, 100)))
                health.hear(probe, answer, data.draw(st.floats(0, 2e9)))
            writer.write_all(installation, health)
            found = standings.read(installation)
            assert {key: one.standing for key, one in found.items()} == {
                probe.key: standing for probe, standing in health.standings.items()
            }
            assert {key: (one.name, one.address, one.port, one.services) for key, one in found.items()} == {
                probe.key: (str(probe), str(probe.address), probe.port, tuple(users))
                for probe, users in health.users.items()
            }

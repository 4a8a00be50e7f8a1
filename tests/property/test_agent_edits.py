"""Edits of a program while an agent asks its endpoints: who was down stays out until it passes, who is new joins with
its first check that passes, and who is up stays."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from svcc.agent.health import Health, Serving, Standing, all_serving, served_ports
from svcc.agent.probe import Answer, Probe, asked_of, probes
from svcc.compiler import ir

_GOOD, _BAD = Answer(True, "connected", 0.001), Answer(False, "refused", 0.001)
_ADDRESSES = [*map(ip_address, ("100.64.0.1", "100.64.0.2", "100.64.0.3"))]
_CHECKS = st.builds(
    ir.Check,
    kind=st.sampled_from((ir.CheckKind.TCP, ir.CheckKind.HTTP)),
    port=st.sampled_from((None, 8080, 9000)),
    path=st.sampled_from(("/", "/x")),
    timeout=st.sampled_from((1.0, 1.5)),
    fall=st.integers(1, 3),
    rise=st.integers(1, 3),
)
_ENDPOINTS = st.lists(
    st.builds(ir.Endpoint, st.sampled_from(_ADDRESSES), weight=st.sampled_from((0, 1, 1, 1))),
    unique_by=lambda endpoint: endpoint.address,
).map(tuple)


@st.composite
def _services(draw: st.DrawFn, name: str, port: int) -> ir.Service:
    target = draw(st.sampled_from((8080, 8081)))
    return ir.Service(
        name,
        vips=(ip_address(f"198.19.0.{port}"),),
        ports=(ir.Port(None, ir.Protocol.TCP, ir.PortRange(port, port), target),),
        check=draw(st.none() | _CHECKS),
        when_failed=ir.WhenFailed.EMPTY,
        endpoints=draw(_ENDPOINTS),
    )


@st.composite
def _programs(draw: st.DrawFn) -> ir.Program:
    names = draw(st.sets(st.sampled_from(("a", "b", "c")), min_size=1))
    return ir.Program(services=tuple(draw(_services(name, ord(name) - 96)) for name in sorted(names)))


def _ends(program: ir.Program) -> dict[Serving, Probe]:
    """Who is asked, by which probe."""
    return {
        (service.name, endpoint.address, port): probe
        for service in program.services
        for endpoint, probe in asked_of(service)
        for port in served_ports(service, endpoint)
    }


def _served(health: Health, program: ir.Program) -> set[Serving]:
    """Who gets new connections."""
    served = health.served_all(program)
    ends = [replace(one, endpoints=tuple(e for e in one.endpoints if e.weight)) for one in served.services]
    return all_serving(replace(served, services=tuple(ends)))


@given(st.lists(_programs(), min_size=2, max_size=5), st.data())
def test_no_edit_serves_who_failed_or_never_passed_or_takes_out_who_is_up(
    programs: list[ir.Program], data: st.DataObject
) -> None:
    """Services may share a probe. What it knows by its last answer counts for all of them; else who failed counts, and
    then who is up."""
    health, serving, ends = Health(), set[Serving](), dict[Serving, Probe]()
    for program in programs:
        stood, users = dict(health.standings), dict[Probe, list[Serving]]()
        health.follow(program, serving, 0.0)
        for end, probe in _ends(program).items():
            users.setdefault(probe, []).append(end)
        for probe, some in users.items():
            before = [stood[ends[end]] for end in some if end in ends]
            known = stood.get(probe)
            passes = known is not None and known.up and not known.row and known.answer is not None
            failed = any(not one.up and not one.joining for one in before)
            fails = known is not None and not known.up and known.answer is not None
            up = any(one.up for one in before) or any(end in serving and end not in ends for end in some)
            up = up or (known is not None and known.up)
            assert health.is_up(probe) == (passes or (up and not failed and not fails))
        for probe in data.draw(st.lists(st.sampled_from([*users]), max_size=12)) if users else ():
            health.hear(probe, data.draw(st.sampled_from((_GOOD, _BAD))), 0.0)
        serving, ends = _served(health, program), _ends(program)


@given(_programs(), st.data())
def test_an_edit_of_times_and_numbers_while_no_agent_runs_changes_no_standing(
    program: ir.Program, data: st.DataObject
) -> None:
    health = Health()
    health.follow(program, all_serving(program), 0.0)
    for probe in data.draw(st.lists(st.sampled_from([*probes(program)]), max_size=20)) if probes(program) else ():
        health.hear(probe, data.draw(st.sampled_from((_GOOD, _BAD))), 0.0)
    times = [(one.timeout + 0.5, one.fall + 1, one.rise + 1) for one in (s.check for s in program.services) if one]
    edited = [
        service if service.check is None else replace(service, check=_paced(service.check, *times.pop(0)))
        for service in program.services
    ]
    after = replace(program, services=tuple(edited))
    later = Health({probe.key: standing for probe, standing in health.standings.items()})
    later.follow(after, all_serving(program), 1.0)
    was, asked = dict[str, list[Standing]](), dict(health.standings)
    for probe, standing in asked.items():
        was.setdefault(probe.question, []).append(standing)
    for probe, standing in later.standings.items():
        assert standing in was[probe.question]
        assert not standing.up or all(one.up or one.joining for one in was[probe.question])


def _paced(check: ir.Check, timeout: float, fall: int, rise: int) -> ir.Check:
    return replace(check, timeout=timeout, fall=fall, rise=rise)

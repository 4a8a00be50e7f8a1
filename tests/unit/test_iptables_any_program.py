"""What holds for the iptables target's scripts of every program, and what one more endpoint or service changes."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import ndiff
from ipaddress import ip_address

from hypothesis import given

from support.iptables_kernel import FAMILIES, TARGET, script, scripts
from support.references import dangling
from support.strategies import programs_for
from svcc.compiler import ir
from svcc.compiler.frontends import frontends

DNAT = "-j DNAT --to-destination"
RANDOM = "-m statistic --mode random --probability"
NEW = ip_address("100.64.9.9")


@given(programs_for(TARGET))
def test_references_are_sound(case: tuple[ir.Program, ir.Node | None]) -> None:
    for artifact in TARGET.render(*case).artifacts:
        assert dangling(artifact.text) == []


@given(programs_for(TARGET))
def test_every_chain_is_ours_and_fits(case: tuple[ir.Program, ir.Node | None]) -> None:
    for artifact in TARGET.render(*case).artifacts:
        for name in re.findall(r"^(?::|-A )(\S+)", artifact.text, re.MULTILINE):
            assert name.startswith(f"{case[0].cluster.prefix}-")
            assert len(name) <= 28


@given(programs_for(TARGET))
def test_a_family_is_empty_only_without_frontends(case: tuple[ir.Program, ir.Node | None]) -> None:
    program, node = case
    for version, (_, text) in zip(FAMILIES, scripts(TARGET.render(program, node)), strict=True):
        addresses = [a for s in program.services for a in s.addresses if a.version == version]
        assert all(f"-d {a}/{a.max_prefixlen} " in text for a in addresses)
        node_ports = [port for s in program.services for port in s.ports if port.nodeport is not None]
        networks = [network for network in program.cluster.services if network.version == version]
        if not addresses and not node_ports and not networks:
            assert text == ""


def changes(old: str, new: str) -> tuple[list[str], list[str]]:
    """The lines that only the old text has, and those that only the new one has, each in its order."""
    lines = list(ndiff(old.splitlines(), new.splitlines()))
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


def _weighs_under_sh(service: ir.Service) -> bool:
    """Weights in lowest terms are others with one more endpoint."""
    return service.scheduler is ir.Scheduler.SH and any(e.weight > 1 for e in service.endpoints)


def _joins(program: ir.Program, more: ir.Program, service: str, node: ir.Node | None) -> bool:
    """Whether those that served still do, with one more or not: nobody came to an empty frontend, or before others."""
    old, new = ([f for f in frontends(p, node) if f.service.name == service] for p in (program, more))
    return len(old) == len(new) and all(
        a.endpoints == b.endpoints[: len(a.endpoints)] and (a.endpoints or not b.endpoints)
        for a, b in zip(old, new, strict=True)
    )


def _may_reach_itself(service: ir.Service) -> bool:
    """Whether an endpoint on the node can have the node's own address and a node port: then nothing is translated, and
    rules say who may come there."""
    return any(port.nodeport is not None and port.nodeport.first == port.target for port in service.ports)


@given(programs_for(TARGET, max_services=2))
def test_one_more_endpoint_adds_a_line_to_each_choice(case: tuple[ir.Program, ir.Node | None]) -> None:
    program, node = case
    for index, grown in enumerate(program.services):
        if grown.scheduler is ir.Scheduler.WRR or _weighs_under_sh(grown) or _may_reach_itself(grown):
            continue
        where = node.name if node else None
        after = replace(grown, endpoints=(*grown.endpoints, ir.Endpoint(NEW, node=where)))
        services = (*program.services[:index], after, *program.services[index + 1 :])
        more = replace(program, services=services)
        if not _joins(program, more, grown.name, node):
            continue
        old, new = (TARGET.render(p, node).artifacts for p in (program, more))
        # The networks and ports of all endpoints are few lines, of which one of each may be another then.
        removed, added = (
            [line for line in lines if not re.match(r"-A \S+-(INVALID|ENDPOINTS) ", line)]
            for lines in changes(old[0].text, new[0].text)
        )
        assert removed == []
        assert all(f" {DNAT} {NEW}" in line for line in added)
        choices = len({line.split()[1] for line in added})
        assert len(added) == choices * (2 if grown.affinity is not None else 1)
        assert old[1] == new[1]


@given(programs_for(TARGET, max_services=2))
def test_one_more_service_takes_no_line_away(case: tuple[ir.Program, ir.Node | None]) -> None:
    program, node = case
    port = ir.Port(None, ir.Protocol.TCP, ir.PortRange(80, 80), 8080)
    new = ir.Service("one-more", vips=(ip_address("198.18.0.1"),), ports=(port,), endpoints=(ir.Endpoint(NEW),))
    more = replace(program, services=tuple(sorted((*program.services, new), key=lambda s: s.name)))
    old, now = (TARGET.render(p, node).artifacts for p in (program, more))
    assert changes(old[0].text, now[0].text)[0] == []
    assert old[1] == now[1]


def test_one_more_service_among_many() -> None:
    """Its own chain, and its lines in one branch of each table."""
    many = [n for n in range(1, 200) if n != 77]

    def text(numbers: list[int]) -> str:
        line = (
            "service s-{0:03} {{ vip 198.19.0.{0}; port 80/tcp -> 8080; endpoints {{ 100.64.0.{0}; 100.64.1.{0} }} }}"
        )
        return "cluster { pods 100.64.0.0/10 }\n" + "\n".join(map(line.format, numbers))

    removed, added = changes(script(text(many)), script(text(sorted([*many, 77]))))
    assert removed == []
    assert added == [
        ":SVCC-SVC-s-077 - [0:0]",
        "-A SVCC-SVC-s-077 -j SVCC-OUTSIDE",
        f"-A SVCC-SVC-s-077 -p tcp {RANDOM} 0.50000000000 {DNAT} 100.64.1.77:8080",
        f"-A SVCC-SVC-s-077 -p tcp {DNAT} 100.64.0.77:8080",
        "-A SVCC-AT-198.19.0.64/28 -d 198.19.0.77/32 -p tcp -m tcp --dport 80 -g SVCC-SVC-s-077",
        "-A SVCC-AT-198.19.0.64/28 -d 198.19.0.77/32 -j RETURN",
        "-A SVCC-AT-198.19.0.64/28 -d 198.19.0.77/32 -g SVCC-REJECT",
    ]

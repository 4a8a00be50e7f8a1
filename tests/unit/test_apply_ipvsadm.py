"""The driver of virtual servers on a kernel without IPVS: states, steps, and what it leaves out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from support.apply_states import SAME
from support.files import GOLDEN
from support.ipvs_kernel import EVERYTHING, TARGET, part, render
from support.large_programs import plain
from svcc.apply.drivers import IpvsadmDriver
from svcc.apply.drivers.sets import meaning
from svcc.apply.scope import Scope
from svcc.kernel.ipset.sets import parse_sets
from svcc.kernel.ipvs import netlink
from svcc.kernel.ipvs.difference import Command, additions, quiescing
from svcc.kernel.ipvs.loading import one_of_each
from svcc.kernel.ipvs.reading import established
from svcc.kernel.ipvs.servers import (
    VirtualServer,
    VirtualServers,
    frontend_of,
    keys_of_text,
    parse_real,
    parse_settings,
    parse_table,
    servers_text,
)
from svcc.kernel.routes import Route, Routes
from svcc.kernel.steps import FrontendAddress, Phase, StepError

DRIVER = IpvsadmDriver()
FILES = GOLDEN / "ipvs"
SCOPE = Scope("T")

WEB = "-t 198.19.10.1:80"


def virtual(key: str, settings: str, servers: Mapping[str, str]) -> VirtualServer:
    return VirtualServer(key, parse_settings(settings), {at: parse_real(real) for at, real in servers.items()})


def virtuals(some: Mapping[str, tuple[str, Mapping[str, str]]]) -> VirtualServers:
    return {key: virtual(key, *one) for key, one in some.items()}


ONE = virtuals({WEB: ("-s rr", {"100.64.0.9:8080": "-m -w 1", "100.64.0.19:8080": "-m -w 1"})})


def commands(live: VirtualServers, wanted: VirtualServers) -> list[str]:
    return [str(command) for command in additions(live, wanted)]


def parsed(text: str) -> VirtualServers:
    return DRIVER.parse(text, SCOPE)


# -- states -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(path.name for path in FILES.iterdir()))
def test_the_commands_to_a_text_are_its_lines(name: str) -> None:
    text = (FILES / name / "ipvsadm.rules").read_text()
    wanted = parsed(text)
    assert commands({}, wanted) == text.splitlines()
    assert netlink.can_say([*additions({}, wanted)])
    assert servers_text(wanted.values()) == text
    assert DRIVER.load(json.loads(json.dumps(DRIVER.dump(wanted)))) == wanted
    assert [*keys_of_text(text)] == [*wanted]
    sets = parse_sets((FILES / name / "ipset.restore").read_text())
    assert wanted.keys() <= set(meaning().virtual_servers(sets))


def test_what_sets_declare_is_each_port_of_each_address() -> None:
    text = part(render(EVERYTHING), "ipvsadm")
    sets = parse_sets(part(render(EVERYTHING), "ipset"))
    declared = set(meaning().virtual_servers(sets))
    assert declared >= set(keys_of_text(text))
    assert {"-t 10.0.0.4:65518", "-t [fd00:19::30]:80"} <= declared  # without endpoints they have no virtual server
    assert not {key for key in declared if "172.31.0.4" in key}


@pytest.mark.parametrize("line", ["-a -t 1.1.1.2:80 -r 2.2.2.2:80 -m -w 1", "-C", "-A"])
def test_a_text_that_svcc_did_not_write(line: str) -> None:
    with pytest.raises(ValueError, match=f"^line 2: .*{line}$"):
        parsed(f"-A -t 1.1.1.1:80 -s rr\n{line}\n")


def test_places() -> None:
    assert frontend_of("-u [fd00:19:0::1]:53") == FrontendAddress("fd00:19::1", "udp", 53)
    assert frontend_of("--sctp-service 10.0.0.4:9") == FrontendAddress("10.0.0.4", "sctp", 9)
    assert frontend_of("-f 77") is None


def test_a_table_of_ipvsadm() -> None:
    text = """\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn
  -> RemoteAddress:Port
TCP  1.1.1.1:80 mh persistent 5 mask 255.255.0.0
  -> 2.2.2.2:80                   9          3          0          0
SCTP [fd00::1]:80 wlc
  -> [fd00:aaaa:bbbb:cccc:dddd:eeee:ffff:1]:80 80000000   7          0          0
FWM  5 wlc
  -> 4.4.4.4:0                    0          0          0          0
"""
    assert [*parse_table(text)] == [
        ("-t 1.1.1.1:80", "2.2.2.2:80", ["9", "3", "0", "0"]),
        ("--sctp-service [fd00::1]:80", "[fd00:aaaa:bbbb:cccc:dddd:eeee:ffff:1]:80", ["80000000", "7", "0", "0"]),
        ("-f 5", "4.4.4.4:0", ["0", "0", "0", "0"]),
    ]


# -- steps ------------------------------------------------------------------------------------------------------------


def test_changes_edit_what_is_there() -> None:
    wanted = virtuals(
        {
            WEB: ("-s wrr -p 60", {"100.64.0.9:8080": "-m -w 3", "100.64.0.29:8080": "-m -w 1"}),
            "-u 198.19.10.1:53": ("-s rr", {"100.64.0.9:53": "-m -w 1"}),
        }
    )
    assert commands(ONE, wanted) == [
        "-e -t 198.19.10.1:80 -r 100.64.0.9:8080 -m -w 3",
        "-a -t 198.19.10.1:80 -r 100.64.0.29:8080 -m -w 1",
        "-E -t 198.19.10.1:80 -s wrr -p 60",
        "-A -u 198.19.10.1:53 -s rr",
        "-a -u 198.19.10.1:53 -r 100.64.0.9:53 -m -w 1",
    ]
    steps = DRIVER.steps(ONE, wanted, SCOPE, SAME)
    assert [(step.phase, step.title, step.size, step.atomic) for step in steps] == [
        (
            Phase.SERVERS,
            "2 real servers changed, 2 real servers added, 1 virtual server changed, 1 virtual server added",
            6,
            False,
        ),
        (Phase.SERVERS_OFF, "1 real server removed", 1, True),
    ]
    assert [str(change) for change in DRIVER.changes(ONE, wanted)] == [
        "~ virtual server -t 198.19.10.1:80: -s rr -> -s wrr -p 60",
        "- real server -t 198.19.10.1:80 -r 100.64.0.19:8080",
        "~ real server -t 198.19.10.1:80 -r 100.64.0.9:8080: -m -w 1 -> -m -w 3",
        "+ real server -t 198.19.10.1:80 -r 100.64.0.29:8080",
        "+ virtual server -u 198.19.10.1:53",
        "+ real server -u 198.19.10.1:53 -r 100.64.0.9:53",
    ]
    assert {change.frontend for change in DRIVER.changes(ONE, wanted)} == {
        FrontendAddress("198.19.10.1", "tcp", 80),
        FrontendAddress("198.19.10.1", "udp", 53),
    }


def test_what_goes_gets_no_more_connections_before_it_is_removed() -> None:
    live = virtuals({WEB: ("-s rr", {"100.64.0.9:80": "-m -w 5", "100.64.0.19:80": "-m -w 1"})})
    wanted = virtuals({WEB: ("-s rr", {"100.64.0.19:80": "-m -w 1"})})
    first, last = DRIVER.steps(live, wanted, SCOPE, SAME)
    assert [str(c) for c in quiescing(live, wanted)] == [f"-e {WEB} -r 100.64.0.9:80 -m -w 0"]
    assert (first.phase, last.phase) == (Phase.SERVERS, Phase.SERVERS_OFF)


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        (("-s dh", {"100.64.0.9:80": "-m -w 5", "100.64.0.19:80": "-m -w 1"}), {"100.64.0.19:80": "-m -w 1"}),
        (("-s rr", {"100.64.0.9:80": "-m -w 5"}), {}),
        (("-s rr", {"100.64.0.9:80": "-m -w 0", "100.64.0.19:80": "-m -w 1"}), {"100.64.0.19:80": "-m -w 1"}),
    ],
    ids=["dh would refuse its clients", "the last one", "drained already"],
)
def test_what_is_not_quieted(live: tuple[str, dict[str, str]], wanted: dict[str, str]) -> None:
    assert not [*quiescing(virtuals({WEB: live}), virtuals({WEB: (live[0], wanted)}))]


def test_with_a_virtual_server_go_its_real_servers() -> None:
    (step,) = DRIVER.steps(ONE, {}, SCOPE, SAME)
    assert (step.phase, step.title, step.size) == (Phase.SERVERS_OFF, "1 virtual server removed", 1)


def test_one_changed_endpoint_among_ten_thousand_services() -> None:
    program = plain(10_000)
    service = program.services[5_000]
    moved = replace(service.endpoints[0], address=IPv4Address("100.127.0.1"))
    services = list(program.services)
    services[5_000] = replace(service, endpoints=(moved, *service.endpoints[1:]))
    programs = program, replace(program, services=tuple(services))
    before, after = (parsed(part(TARGET.render(p, program.nodes[0]), "ipvsadm")) for p in programs)
    steps = DRIVER.steps(before, after, SCOPE, SAME)
    assert [(step.title, step.size) for step in steps] == [
        ("1 real server added, 1 real server changed", 2),  # the one that goes gets no more connections
        ("1 real server removed", 1),
    ]
    frontend = FrontendAddress(str(service.vips[0]), "tcp", 80)
    assert {*DRIVER.gone_routes(before, after)} == {Route(frontend, str(service.endpoints[0].address), 8080)}
    assert {*DRIVER.gone_routes(after, before)} == {Route(frontend, "100.127.0.1", 8080)}


def test_routes_are_those_that_rewrite_the_destination() -> None:
    state = {
        **ONE,
        **virtuals(
            {
                "-u [fd00:19::1]:53": ("-s rr", {"[fd00:64::9]:53": "-m -w 0"}),
                "-t 198.19.10.2:80": (
                    "-s rr",
                    {"100.64.0.9:80": "-g -w 1", "100.64.0.19:80": "-i -w 1 --tun-type ipip"},
                ),
                "-f 7": ("-s rr", {"100.64.0.9:0": "-m -w 1"}),
            }
        ),
    }
    assert {*DRIVER.routes(state)} == {
        Route(FrontendAddress("198.19.10.1", "tcp", 80), "100.64.0.9", 8080),
        Route(FrontendAddress("198.19.10.1", "tcp", 80), "100.64.0.19", 8080),
        Route(FrontendAddress("fd00:19::1", "udp", 53), "fd00:64::9", 53),
    }
    assert DRIVER.gone_routes(state, {}) == Routes.of(DRIVER.routes(state))


@pytest.mark.parametrize(
    "command",
    [
        Command("-A", "-f 77", options=parse_settings("-s rr -p 5 --pe sip")),
        Command("-A", "-f web", options=parse_settings("-s rr")),
        Command("-A", WEB, options=parse_settings("-s rr -p 5 --pe sip")),
        Command("-A", WEB, options=parse_settings("-s rr -b no-such-flag")),
        Command("-a", WEB, "100.64.0.9:80", parse_real("-m -w 1 -x 9 -y 3")),
        Command("-a", WEB, "100.64.0.9:80", parse_real("-i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum")),
    ],
)
def test_what_messages_cannot_say_goes_to_the_tool(command: Command) -> None:
    assert not netlink.can_say([command])


def test_of_very_many_commands_one_of_each_kind_is_tried() -> None:
    wanted = virtuals(
        {
            f"{option} {host}:{port}": (f"-s {scheduler}", {f"{server}:{n}": "-m -w 1" for n in (1, 2)})
            for option in ("-t", "-u")
            for host, server in (("10.0.0.1", "10.1.0.1"), ("[fd00::1]", "[fd00:1::1]"))
            for port, scheduler in ((1, "rr"), (2, "rr"), (3, "sh"))
        }
    )
    tried = [str(command) for command in one_of_each([*additions({}, wanted)])]
    assert tried == [
        line
        for option in ("-t", "-u")
        for host, server in (("10.0.0.1", "10.1.0.1"), ("[fd00::1]", "[fd00:1::1]"))
        for line in (
            f"-A {option} {host}:1 -s rr",
            f"-a {option} {host}:1 -r {server}:1 -m -w 1",
            f"-A {option} {host}:3 -s sh",
        )
    ]


# -- without --------------------------------------------------------------------------------------------------------


@pytest.fixture
def _no_ipvs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("svcc.kernel.ipvs.reading.TABLE", tmp_path / "ip_vs")


@pytest.mark.usefixtures("_no_ipvs")
def test_without_the_module_nothing_is_there_and_nothing_loads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    (step,) = DRIVER.steps({}, ONE, SCOPE, SAME)
    monkeypatch.setattr("svcc.kernel.tools.run", _never)
    assert DRIVER.read(SCOPE, ONE) == {}
    assert [*DRIVER.obstacles({}, ONE, SCOPE)] == []
    assert established(ONE) == {}
    assert step.check is not None
    monkeypatch.setattr("svcc.kernel.tools.find", lambda tool: tool)
    step.check()
    with pytest.raises(StepError, match=r"^ipvsadm: the kernel has no IPVS: module ip_vs is not loaded$"):
        step.run()


def _never(*_: object) -> None:
    pytest.fail("a tool was run")


@pytest.mark.usefixtures("_no_ipvs")
def test_without_the_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svcc.kernel.tools.find", lambda _: None)
    (step,) = DRIVER.steps({}, ONE, SCOPE, SAME)
    assert step.check is not None
    with pytest.raises(StepError, match=r"^ipvsadm: ipvsadm is not installed$"):
        step.check()


def test_a_tool_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "ipvsadm"
    fake.write_text("#!/bin/sh\nkill -15 $$\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("svcc.kernel.ipvs.loading._FEW", 0)
    monkeypatch.setattr("svcc.kernel.ipvs.reading.TABLE", tmp_path)
    (step,) = DRIVER.steps({}, ONE, SCOPE, SAME)
    run: Callable[[], None] = step.run
    with pytest.raises(StepError, match=r"^ipvsadm: ipvsadm was killed by SIGTERM$"):
        run()

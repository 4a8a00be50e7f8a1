"""Services that IPVS knows by a mark: one memory of clients for all that they listen on, with real packets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.apply_states import go, run
from support.apply_world import World
from support.command_line import svcc
from support.files import KEPT_PORTS
from support.ipvs_kernel import part, program, render, served
from support.schemas import follows
from svcc.apply.drivers import IpvsadmDriver
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel.ipvs.reading import established, read_all
from svcc.kernel.ipvs.servers import mark_of, parse_servers
from svcc.verify.lab import CLIENT, NODE, PEER, Attempt, Lab, Reply
from svcc.verify.verification import Verification

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

SERVERS = IpvsadmDriver()
TEXT = KEPT_PORTS.read_text()
#: Every way to the service, as a client outside has them.
FRONTENDS = [
    *((address, port, "tcp") for address in ("198.19.10.0", "203.0.113.7") for port in (30080, 443)),
    *((address, port, "udp") for address in ("198.19.10.0", "203.0.113.7") for port in (443, 5000, 5003)),
    ("10.0.0.4", 30080, "tcp"),
]
#: Rules of somebody else's, which put something into the mark of every packet and connection.
OTHERS = ("-t mangle -A PREROUTING -j MARK --set-mark 0x30", "-t mangle -A PREROUTING -j CONNMARK --set-mark 0x70")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with served(TEXT) as made:
        yield made


def ends(lab: Lab, where: str) -> set[tuple[str, str]]:
    """Which endpoints answer a host over all frontends, twice, and whose address they see."""
    probes = [Attempt(where, to, port, protocol) for to, port, protocol in FRONTENDS * 2]
    answers = lab.connect_all(probes, at_once=1)
    assert [(a, probe) for a, probe in zip(answers, probes, strict=True) if not isinstance(a, Reply)] == []
    own = lab.addresses(where)
    return {(a.name, "itself" if a.source in own else "node") for a in answers if isinstance(a, Reply)}


def test_verify_finds_nothing() -> None:
    made, bundle = program(TEXT), render(TEXT)
    with Verification.start(made, made.nodes[0], bundle, ir.Scheduler.WRR) as session:
        verdicts = [*session.verdicts(6)]
    assert [(verdict.case.frontend, verdict.deviation) for verdict in verdicts if verdict.deviation] == []
    tried = {verdict.case.packet for verdict in verdicts}
    assert {(str(packet.destination), packet.port, str(packet.protocol)) for packet in tried} > {*FRONTENDS}


@pytest.mark.parametrize("where", [CLIENT, PEER])
def test_a_client_has_one_endpoint_whatever_it_asks_for(lab: Lab, where: str) -> None:
    assert len({name for name, _ in ends(lab, where)}) == 1


def test_others_marks_change_nothing(lab: Lab) -> None:
    before = ends(lab, CLIENT)
    for rule in OTHERS:
        lab.run(NODE, ["iptables", *rule.split()], check=True)
    try:
        assert ends(lab, CLIENT) == before
        saved = lab.run(NODE, ["iptables", "-t", "mangle", "-S"], check=True).stdout
        assert all(rule.removeprefix("-t mangle ").split(" -j ")[0] in saved for rule in OTHERS)
    finally:
        for rule in OTHERS:
            lab.run(NODE, ["iptables", *rule.replace("-A", "-D").split()], check=True)


def test_nothing_of_ours_is_left_in_marks(lab: Lab) -> None:
    """Neither in the connections' marks nor in that of a packet that leaves."""
    counter = ["-m", "mark", "!", "--mark", "0x0", "-j", "ACCEPT"]
    lab.run(NODE, ["iptables", "-t", "mangle", "-A", "POSTROUTING", *counter], check=True)
    try:
        ends(lab, CLIENT)
        counted = lab.run(NODE, ["iptables", "-t", "mangle", "-L", "POSTROUTING", "-n", "-v", "-x"], check=True).stdout
        (line,) = [line for line in counted.splitlines() if "mark match ! 0x0" in line]
        assert line.split()[0] == "0"
    finally:
        lab.run(NODE, ["iptables", "-t", "mangle", "-D", "POSTROUTING", *counter], check=True)
    known = lab.run(NODE, ["cat", "/proc/net/nf_conntrack"], check=True).stdout
    marks = {int(line.partition(" mark=")[2].split()[0]) for line in known.splitlines() if "dst=198.19.10.0" in line}
    assert marks
    assert not any(mark & program(TEXT).cluster.mark for mark in marks)


@pytest.fixture(params=["netlink", "tool"])
def _sent_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svcc.kernel.ipvs.loading._FEW", {"netlink": 1_000_000, "tool": 0}[request.param])


@pytest.mark.usefixtures("_sent_by")
def test_services_come_to_one_memory_and_go_back(world: World, tmp_path: Path) -> None:
    """And under another name. The kernel is as the plan says, and `status` tells who serves what."""
    apart, renamed = TEXT.replace(" per service", ""), TEXT.replace("service shop", "service cart")
    path = tmp_path / "shop.dsl"
    with world.inside():
        others = read_all()
        for text in (apart, TEXT, renamed, apart, TEXT):
            path.write_text(text)
            assert svcc("apply", path, "-t", "ipvs", "-q").status == 0
            assert svcc("plan", path, "-t", "ipvs").status == 0
            assert read_all() == others | parse_servers(part(render(text), "ipvsadm"))
            rows = follows("status", svcc("status", "--json").text)["listeners"]
            assert {one["service"] for one in rows} == {service.name for service in program(text).services}
        assert svcc("delete", "--yes", "-q").status == 0
        assert read_all() == others


@pytest.mark.usefixtures("_sent_by")
def test_what_somebody_takes_from_a_mark_is_told_and_put_back(world: World, tmp_path: Path) -> None:
    path = tmp_path / "shop.dsl"
    path.write_text(TEXT)
    with world.inside():
        assert svcc("apply", path, "-t", "ipvs", "-q").status == 0
        whole = read_all()
        key = next(key for key, server in whole.items() if key.startswith("-f") and "100.64.0.19:0" in server.servers)
        run(f"ipvsadm -d {key} -r 100.64.0.19:0")
        status = svcc("status")
        assert (status.status, "not in the kernel" in status.text) == (1, True)
        assert svcc("apply", path, "-t", "ipvs", "-q").status == 0
        assert read_all() == whole
        run(f"ipvsadm -e {key} -r 100.64.0.19:0 -m -w 5")
        status = svcc("status", "--objects")
        assert (status.status, f"real server {key} -r 100.64.0.19:0" in status.text) == (1, True)
        rows = follows("status", svcc("status", "--json").text)["listeners"]
        held = {(one["service"], end["kernel"]) for one in rows for end in one["endpoints"] if "." in end["address"]}
        assert held == {("shop", "changed"), ("inside", "as applied"), ("apart", "as applied")}
        assert svcc("apply", path, "-t", "ipvs", "-q").status == 0
        assert read_all() == whole


def test_connections_by_mark_are_counted_and_outlive_an_edit() -> None:
    before, after = TEXT.replace("100.64.0.19 weight 2", ""), TEXT
    scope = Scope("CART", "svcc0").including(render(before), render(after))
    old, new = (SERVERS.parse(part(render(text), "ipvsadm"), scope) for text in (before, after))
    key = next(key for key, server in new.items() if mark_of(key) and server.settings.persistence == 10_800)
    with served(before) as lab, lab.open(CLIENT, "198.19.10.0", 443) as client:
        known = client.ask()
        assert isinstance(known, Reply)
        with lab.namespace(NODE).entered():
            assert established(old)[key] == {("100.64.0.9", 0): 1}
            go(SERVERS, new, scope)
            assert established(new)[key] == {("100.64.0.9", 0): 1, ("100.64.0.19", 0): 0}
        assert client.ask() == known

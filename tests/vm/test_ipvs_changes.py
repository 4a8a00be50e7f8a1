"""The ipvs target on a kernel that has IPVS: every scheduler, connections across changes, loading twice, neighbours."""

from __future__ import annotations

from contextlib import ExitStack
from ipaddress import ip_address

import pytest

from support.ipvs_kernel import live_sets, load_bundle, part, program, render, served
from svcc.compiler import ir
from svcc.verify.lab import CLIENT, NODE, Lab, NoReply, Reply

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

HEAD = "cluster { prefix T; pods 100.64.0.0/24 }\nnode node-a { address 10.0.0.4 }\n"
CROWD = tuple(ip_address(f"192.0.2.{host}") for host in range(100, 116))
#: Debian's user-mode kernel is built without twos.
SCHEDULERS = [s for s in ir.Scheduler if s not in (ir.Scheduler.RANDOM, ir.Scheduler.TWOS)]


def state(lab: Lab) -> tuple[str, str, str]:
    """IPVS, sets and device addresses of the node."""
    saved = [lab.run(NODE, ["ipvsadm", "-S", "-n"]), lab.run(NODE, ["ipset", "save"])]
    shown = lab.run(NODE, ["ip", "-o", "address", "show", "dev", "svcc0", "scope", "global"])
    return saved[0].stdout, live_sets(saved[1].stdout), shown.stdout


def test_every_scheduler_serves_every_client_beside_a_draining_endpoint() -> None:
    text = HEAD + "".join(
        f"service {s} {{ vip 198.19.10.{n}; port 80/tcp; scheduler {s}; endpoints {{ 100.64.0.9 weight 20; 100.64.0.19"
        f" weight 40{'' if s is ir.Scheduler.DH else '; 100.64.0.29 draining'} }} }}\n"
        for n, s in enumerate(SCHEDULERS, 1)
    )
    served_by = {s.value: {"100.64.0.9", "100.64.0.19"} for s in SCHEDULERS}
    for one in ("dh", "lblc", "lblcr", "fo", "ovf"):  # one vip is one destination; failover and overflow know one best
        served_by[one] = {"one"}
    with served(text, crowd=CROWD) as lab:
        found = {s.value: _answering(lab, f"198.19.10.{n}") for n, s in enumerate(SCHEDULERS, 1)}
    assert {s: {"one"} if len(names) == 1 else names for s, names in found.items()} == served_by


def _answering(lab: Lab, vip: str) -> set[str]:
    """Who answers the crowd, every client of it twice, with all connections open."""
    open_ones = [lab.open("crowd", vip, 80, source=source) for source in CROWD for _ in range(2)]
    results = [conversation.ask() for conversation in open_ones]
    for conversation in open_ones:
        conversation.close()
    return {result.name if isinstance(result, Reply) else result for result in results}


@pytest.mark.parametrize("scheduler", ["sh", "sh by address-port", "mh", "mh by address-port"])
def test_a_hash_leads_the_clients_of_an_endpoint_that_begins_to_drain_to_others(scheduler: str) -> None:
    """mh keeps the slots of such an endpoint, which one that drains from the start does not get."""
    text = (
        f"{HEAD}service s {{ vip 198.19.10.1; port 80/tcp; scheduler {scheduler}; endpoints {{ 100.64.0.9; 100.64.0.19"
    )
    before, after = f"{text}; 100.64.0.29 }} }}\n", f"{text}; 100.64.0.29 draining }} }}\n"
    with served(before, crowd=CROWD) as lab:
        assert "100.64.0.29" in _answering(lab, "198.19.10.1")
        _edit_servers(lab, after)
        assert _answering(lab, "198.19.10.1") == {"100.64.0.9", "100.64.0.19"}


def _edit_servers(lab: Lab, text: str) -> None:
    """Give the real servers the settings that they have in a program."""
    lines = part(render(text), "ipvsadm").replace("-a ", "-e ").splitlines()
    edits = "".join(f"{line}\n" for line in lines if line.startswith("-e "))
    assert lab.run(NODE, ["ipvsadm", "-R"], input=edits).stderr == ""


def test_connections_outlive_the_draining_of_their_endpoint() -> None:
    text = HEAD + "service s { vip 198.19.10.1; port a 80/tcp; port b 53/udp; endpoints { 100.64.0.9 } }\n"
    before, after = text, text.replace("0.9 }", "0.9 draining }")
    with served(before) as lab, ExitStack() as held:
        ways = [(where, port, kind) for where in (CLIENT, NODE) for port, kind in ((80, "tcp"), (53, "udp"))]
        talks = [held.enter_context(lab.open(where, "198.19.10.1", port, kind)) for where, port, kind in ways]
        known = [talk.ask() for talk in talks]
        assert {one.name for one in known if isinstance(one, Reply)} == {"100.64.0.9"}
        _edit_servers(lab, after)
        assert lab.run(NODE, ["ipset", "-exist", "restore"], input=part(render(after), "ipset")).stderr == ""
        rules = part(render(after), "iptables")
        assert lab.run(NODE, ["iptables-restore", "--noflush"], input=rules).stderr == ""
        assert [talk.ask() for talk in talks] == known
        assert {lab.connect(where, "198.19.10.1", port, kind) for where, port, kind in ways} == {NoReply.REFUSED}


def test_loading_twice_changes_nothing() -> None:
    text = HEAD + "service s { vip 198.19.10.1; port 80/tcp; endpoints { 100.64.0.9; 100.64.0.19 } }\n"
    bundle = render(text)
    with served(text) as lab:
        before = state(lab)
        said = {a.part.name: lab.run(NODE, ["sh", "-c", a.part.tool], input=a.text) for a in bundle.artifacts if a.text}
        assert state(lab) == before
        rules = [line for line in lab.run(NODE, ["iptables-save"]).stdout.splitlines() if line.startswith("-A")]
    assert {name: done.stderr for name, done in said.items() if done.stderr} == {
        "ip": "RTNETLINK answers: File exists\nCommand failed -:1\n",
        "ipvsadm": "Service already exists\nDestination already exists\nDestination already exists\n",
    }
    assert len(rules) - len(set(rules)) == part(bundle, "iptables").count("\n-I ")


def test_what_is_not_ours_stays() -> None:
    """Another program's virtual server, set and DNAT live beside ours; that DNAT gets at no port that we declare."""
    text = HEAD + "service s { vip 198.19.10.1; port 80/tcp; endpoints { 100.64.0.9 } }\n"
    bundle = render(text)
    with Lab.up(program(text)) as lab:
        lab.listen("100.64.0.9", "0.0.0.0", 8022, name="container")
        foreign = [
            "ipvsadm -A -t 192.0.2.80:80 -s wlc",
            "ipset create OTHERS hash:net",
            "iptables -t nat -N DOCKER",
            "iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
            "iptables -t nat -A DOCKER -p tcp -m multiport --dports 80,8022 -j DNAT --to-destination 100.64.0.9:8022",
        ]
        for command in foreign:
            assert lab.run(NODE, command.split()).stderr == ""
        load_bundle(lab, bundle)
        node = str(lab.node_addresses[0])
        asked = [("198.19.10.1", 80), ("198.19.10.1", 8022), (node, 8022)]
        results = [lab.connect(CLIENT, address, port) for address, port in asked]
        assert "-A -t 192.0.2.80:80 -s wlc\n" in lab.run(NODE, ["ipvsadm", "-S", "-n"]).stdout
        assert "create OTHERS" in lab.run(NODE, ["ipset", "save"]).stdout
    assert [r.port if isinstance(r, Reply) else r for r in results] == [80, 8022, 8022]

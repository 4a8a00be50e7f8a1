"""What firewalls drop of what IPVS serves is named, and lives by the remedy as it is printed: by real packets."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from support.ipvs_kernel import program, served
from support.waiting import until
from svcc.apply.doctor import examine
from svcc.apply.obstructions import Obstruction, obstructions
from svcc.apply.summary import Summary, summary
from svcc.targets import targets
from svcc.verify.lab import CLIENT, NODE, Lab, Reply

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

TEXT = """
cluster { prefix T; pods 100.64.0.0/24 fd00:64::/64; nodeport-addresses 10.0.0.0/24 }
node node-a { address 10.0.0.4 }
service web    { vip 198.19.10.1 198.19.10.2 fd00:19::1; port 80/tcp -> 8080 nodeport 30080
                 endpoints { 100.64.0.9; fd00:64::9 } }
service direct { vip 198.19.10.3; port 81/tcp; forward direct; endpoints { 100.64.0.19 } }
"""
#: What clients ask for; of the last one endpoints answer by themselves, here by the node as well.
ASKED = [("198.19.10.1", 80), ("198.19.10.2", 80), ("10.0.0.4", 30080), ("198.19.10.3", 81), ("fd00:19::1", 80)]
ANSWERS = "iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"

#: What is done to the node, and the remedies that are named.
DEAD: dict[str, tuple[list[str], list[str]]] = {
    "arriving": (
        ["iptables -P INPUT DROP"],
        [
            "iptables-legacy -A INPUT -d 198.19.10.3 -p tcp --dport 81 -j ACCEPT",
            "iptables-legacy -A INPUT -d 198.19.10.1,198.19.10.2 -p tcp --dport 80 -j ACCEPT",
            "iptables-legacy -A INPUT -d 10.0.0.4 -p tcp --dport 30080 -j ACCEPT",
        ],
    ),
    "arriving, by a rule": (
        ["iptables -A INPUT -d 10.0.0.0/8 -p tcp --dport 22 -j ACCEPT", "iptables -A INPUT -d 198.19.10.2 -j REJECT"],
        ["iptables-legacy -I INPUT 3 -d 198.19.10.2 -p tcp --dport 80 -j ACCEPT"],
    ),
    "before routing": (
        ["iptables -t mangle -A PREROUTING -d 198.19.10.2 -j DROP"],
        ["iptables-legacy -t mangle -I PREROUTING 1 -d 198.19.10.2 -p tcp --dport 80 -j ACCEPT"],
    ),
    "IPv6": (
        ["ip6tables -P INPUT DROP", "ip6tables -A INPUT -p ipv6-icmp -j ACCEPT"],
        ["ip6tables-legacy -A INPUT -d fd00:19::1 -p tcp --dport 80 -j ACCEPT"],
    ),
    "answers": (["iptables -P FORWARD DROP"], [ANSWERS.replace("iptables", "iptables-legacy")]),
    "answers, by a rule": (
        ["iptables -A FORWARD -s 100.64.0.9 -j DROP"],
        [ANSWERS.replace("iptables -A FORWARD", "iptables-legacy -I FORWARD 1")],
    ),
    "sent": (
        ["iptables -P OUTPUT DROP"],
        [
            "iptables-legacy -A OUTPUT -d 100.64.0.9 -p tcp --dport 8080 -j ACCEPT",
            "iptables-legacy -A OUTPUT -d 198.19.10.3 -p tcp --dport 81 -j ACCEPT",
        ],
    ),
    "sent, by a rule behind routing": (
        ["iptables -t mangle -A POSTROUTING -d 100.64.0.9 -j DROP"],
        ["iptables-legacy -t mangle -I POSTROUTING 1 -d 100.64.0.9 -p tcp --dport 8080 -j ACCEPT"],
    ),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with served(TEXT, bridge_netfilter=True) as made:
        made.run(NODE, ["ip", "route", "add", "default", "via", str(made.addresses(CLIENT)[0])])
        yield made


def serving() -> Summary:
    made = program(TEXT)
    return summary(made, made.nodes[0])


def found(lab: Lab) -> list[Obstruction]:
    with lab.namespace(NODE).entered():
        return list(obstructions([serving()], translated=False))


def live(lab: Lab) -> list[bool]:
    return [isinstance(lab.connect(CLIENT, *one, timeout=0.5), Reply) for one in ASKED]


@pytest.mark.parametrize(("words", "remedies"), DEAD.values(), ids=DEAD.keys())
def test_what_is_dead_is_named_and_lives_by_the_remedy(lab: Lab, words: list[str], remedies: list[str]) -> None:
    assert (live(lab), found(lab)) == ([True] * len(ASKED), [])
    with ExitStack() as undone:
        for tool in ("iptables", "ip6tables"):
            saved = lab.run(NODE, [f"{tool}-save"]).stdout
            undone.callback(lab.run, NODE, [f"{tool}-restore"], input=saved, check=True)
        for each in words:
            lab.run(NODE, each.split(), check=True)
        assert not all(live(lab))
        named = found(lab)
        assert [one.remedy for one in named] == remedies
        with lab.namespace(NODE).entered():
            for one in named:
                subprocess.run(one.remedy.split(), check=True)
        assert found(lab) == []
        # what goes through the node although endpoints answer by themselves is not what svcc knows of
        assert [one for one, asked in zip(live(lab), ASKED, strict=True) if asked[1] != 81] == [True] * 4


def test_the_host_stays_shut_behind_the_remedy(lab: Lab) -> None:
    """Ports that no service declares are refused before what the remedy accepts."""
    lab.listen(NODE, "0.0.0.0", 22, name="host")
    lab.run(NODE, ["iptables", "-P", "INPUT", "DROP"], check=True)
    try:
        for one in (named := found(lab)):
            lab.run(NODE, one.remedy.split(), check=True)
        assert len(named) == 3
        assert str(lab.connect(CLIENT, "198.19.10.1", 22)) == "refused"
    finally:
        for one in named:
            lab.run(NODE, one.remedy.replace("-A", "-D").split(), check=True)
        lab.run(NODE, ["iptables", "-P", "INPUT", "ACCEPT"], check=True)


def test_the_doctor_names_them_where_nothing_is_served_too(lab: Lab) -> None:
    lab.run(NODE, ["iptables", "-P", "INPUT", "DROP"], check=True)
    try:
        with lab.namespace(NODE).entered():
            examined = [one.remedy for one in examine(targets()["ipvs"]) if "INPUT" in one.subject]
    finally:
        lab.run(NODE, ["iptables", "-P", "INPUT", "ACCEPT"], check=True)
    assert examined == ["iptables-legacy -A INPUT -d VIP -p tcp --dport PORT -j ACCEPT"]


def remembered(lab: Lab) -> list[str]:
    """What doctor has against IPVS' timeouts."""
    with lab.namespace(NODE).entered():
        return [one.remedy for one in examine(targets()["ipvs"], [serving()]) if one.subject == "IPVS' memory"]


def test_a_memory_that_is_too_short_is_named(lab: Lab) -> None:
    with lab.open(CLIENT, "198.19.10.1", 80) as conversation:
        assert isinstance(conversation.ask(), Reply)
        assert remembered(lab) == []
        lab.run(NODE, ["ipvsadm", "--set", "1", "0", "0"], check=True)
        try:
            assert isinstance(conversation.ask(), Reply)
            until(lambda: "ESTABLISHED" not in lab.run(NODE, ["ipvsadm", "-Lnc"]).stdout, "it is forgotten")
            assert not isinstance(conversation.ask(), Reply)
            (remedy,) = remembered(lab)
            assert remedy == "ipvsadm --set 900 120 300"
            lab.run(NODE, remedy.split(), check=True)
            assert remembered(lab) == []
        finally:
            lab.run(NODE, ["ipvsadm", "--set", "900", "120", "300"], check=True)

"""What makes services dead is named with a remedy, and the remedy as it is printed makes them live: by real packets."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from support.firewalls import DEAD, FIREWALL, LIVE, TABLES
from support.udp_flows import Flow, Net
from svcc.apply.doctor import examine
from svcc.apply.obstructions import Obstruction, obstructions
from svcc.kernel import tools
from svcc.kernel.namespaces import Namespace
from svcc.targets import targets

pytestmark = pytest.mark.kernel

PROGRAM = """\
cluster { pods 100.64.0.0/24 fd00:64::/64; prefix CUSTOM }
service stats { vip 198.19.10.1 fd00:19::1; port 53/udp -> 5353; endpoints { 100.64.0.9; fd00:64::9 } }
"""


@pytest.fixture(params=["nft", "iptables-legacy"])
def net(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    # Remedies do not wait for the lock, which other tests may hold for tables of their own.
    monkeypatch.setenv("XTABLES_LOCKFILE", str(tmp_path / "lock"))
    target, _, variant = request.param.partition("-")
    made = Net(tmp_path / "state", target, variant or "nft")
    made.run("ip route add default via 100.64.0.1")
    made.run("ip -6 route add default via fd00:64::1")
    yield made
    made.close()


def found(net: Net, text: str = PROGRAM) -> list[Obstruction]:
    with net.node.entered():
        return list(obstructions([net.world.draft(text, net.target).summary], ours=["custom"]))


def mend(net: Net, remedies: Sequence[str], router: str = "") -> None:
    """Carry out remedies as they are printed, as a person would: the router is theirs to know."""
    with net.node.entered():
        for remedy in remedies:
            words = remedy.partition(" (")[0].replace("ROUTER", router)
            subprocess.run(["sh", "-ec", words], check=True, capture_output=True)


@pytest.mark.parametrize("what", DEAD)
def test_what_is_dead_is_named_and_lives_by_the_remedy(net: Net, what: str) -> None:
    words, subjects = DEAD[what]
    net.apply(PROGRAM)
    live = [net.flow("198.19.10.1", 53), net.flow("fd00:19::1", 53)]
    assert [flow.answered_by() for flow in live] == ["100.64.0.9:5353", "fd00:64::9:5353"]
    assert found(net) == []
    for each in words:
        net.run(each, TABLES.get(what, FIREWALL) if each == "nft -f -" else None)
    flows = [net.flow("198.19.10.1", 53), net.flow("fd00:19::1", 53)]
    assert any(flow.silent() for flow in flows)
    named = found(net)
    assert [one.subject for one in named] == subjects
    mend(net, [one.remedy for one in named])
    assert found(net) == []
    assert [flow.answered_by() for flow in flows] == ["100.64.0.9:5353", "fd00:64::9:5353"]


@pytest.mark.parametrize("words", LIVE.values(), ids=LIVE.keys())
def test_what_lives_is_not_named(net: Net, words: list[str]) -> None:
    net.apply(PROGRAM)
    if words[0] == "nft -f -":
        net.run(*words)
    else:
        for each in words:
            net.run(each)
    flows = [net.flow("198.19.10.1", 53), net.flow("fd00:19::1", 53)]
    assert [flow.answered_by() for flow in flows] == ["100.64.0.9:5353", "fd00:64::9:5353"]
    assert found(net) == []


def test_the_remedy_names_the_variant_that_iptables_is_not(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where update-alternatives(1) has the legacy variant for `iptables`."""
    for family in ("iptables", "ip6tables"):
        (tmp_path / family).symlink_to(net.run(f"which {family}-legacy").strip())
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    net.apply(PROGRAM)
    net.run("iptables-nft -P FORWARD DROP")
    flow = net.flow("198.19.10.1", 53)
    assert flow.silent()
    (one,) = found(net)
    assert one.subject == "iptables-nft filter FORWARD"
    mend(net, [one.remedy])
    assert (found(net), flow.answered_by()) == ([], "100.64.0.9:5353")


def test_the_remedy_for_a_device_with_a_dot_in_its_name_works(net: Net) -> None:
    """A VLAN's: sysctl(8) takes the dot for the end of the name, unless it is written as a slash."""
    net.apply(PROGRAM)
    for words in ("down", "name lan.100", "up"):
        net.run(f"ip link set dev {'lan.100' if words == 'up' else 'client'} {words}")
    net.run("sysctl -qw net/ipv4/conf/lan.100/forwarding=0")
    flow = net.flow("198.19.10.1", 53)
    assert flow.silent()
    named = [one for one in found(net) if one.subject == "IPv4 forwarding from lan.100"]
    assert [one.remedy for one in named] == ["sysctl -w net.ipv4.conf.lan/100.forwarding=1"]
    mend(net, [one.remedy for one in named])
    assert flow.answered_by() == "100.64.0.9:5353"


#: What others load after svcc's rules and takes a service away, and the subject that is named.
TAKEN: dict[str, tuple[list[str], str]] = {
    "nft, earlier": (["nft -f -"], "nft ip taking c"),
    "a forward": (
        ["iptables -t nat -I PREROUTING -p udp --dport 53 -j DNAT --to-destination 192.0.2.50:30053"],
        "iptables nat PREROUTING",
    ),
    "the other variant": (
        ["iptables-legacy -t nat -A PREROUTING -d 198.19.0.0/16 -p udp -j REDIRECT --to-ports 9"],
        "iptables-legacy nat PREROUTING",
    ),
    "in a chain": (
        [
            "iptables -t nat -N others",
            "iptables -t nat -A others -p udp -m multiport --dports 53,54 -j REDIRECT --to-ports 9",
            "iptables -t nat -I PREROUTING -j others",
        ],
        "iptables nat PREROUTING",
    ),
}
#: What keeps packets only from rules that follow in the same table.
ENDS = [f"iptables -t nat -I PREROUTING -d 198.19.0.0/16 -j {target}" for target in ("ACCEPT", "RETURN")]
TAKING = """\
table ip taking {
  chain c { type nat hook prerouting priority -150;
    udp dport 53 dnat to 192.0.2.50:30053
  }
  chain before { type nat hook prerouting priority -160;
    ip daddr 198.19.10.1 accept comment "this ends this chain alone"
  }
}
"""
#: What others translate beside services, in words that are not known here, or for other addresses and ports.
BESIDE = [
    "iptables -t nat -N DOCKER",
    "iptables -t nat -I PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
    "iptables -t nat -I OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
    "iptables -t nat -A DOCKER ! -i docker0 -p udp -m udp --dport 53 -j DNAT --to-destination 172.17.0.2:53",
    "iptables -t nat -N PROXY-DNS",
    "iptables -t nat -A PROXY-DNS -p udp -j DNAT --to-destination 192.0.2.50:30053",
    "iptables -t nat -N PROXY-SERVICES",
    "iptables -t nat -A PROXY-SERVICES -d 198.19.10.10/32 -p udp -m udp --dport 53 -j PROXY-DNS",
    "iptables -t nat -A PROXY-SERVICES -d 198.19.10.1/32 -p tcp -m tcp --dport 53 -j PROXY-DNS",
    "iptables -t nat -I PREROUTING -j PROXY-SERVICES",
    "iptables -t nat -I OUTPUT -j PROXY-SERVICES",
]


@pytest.mark.parametrize("what", TAKEN)
def test_rules_of_others_that_take_a_service_away_are_named(net: Net, what: str) -> None:
    words, subject = TAKEN[what]
    net.apply(PROGRAM)
    assert found(net) == []
    for each in words:
        net.run(each, TAKING if each == "nft -f -" else None)
    named = found(net)
    assert [one.subject for one in named] == [subject]
    if "where it was loaded after" not in named[0].state:
        flow = net.flow("198.19.10.1", 53)
        assert flow.silent() or flow.answered_by() == "192.0.2.50:30053"
    mend(net, [one.remedy for one in named])
    assert (found(net), net.flow("198.19.10.1", 53).answered_by()) == ([], "100.64.0.9:5353")


@pytest.mark.parametrize("words", ENDS)
def test_what_ends_a_chain_takes_services_only_from_the_same_table(net: Net, words: str) -> None:
    net.apply(PROGRAM)
    net.run(words)
    if net.target == "iptables":
        assert net.flow("198.19.10.1", 53).silent()
        named = found(net)
        assert [one.subject for one in named] == ["iptables nat PREROUTING"]
        mend(net, [one.remedy for one in named])
    assert (found(net), net.flow("198.19.10.1", 53).answered_by()) == ([], "100.64.0.9:5353")


def test_rules_of_others_that_take_the_machines_own_clients_are_named(net: Net) -> None:
    net.apply(PROGRAM)
    net.run("iptables -t nat -I OUTPUT -p udp --dport 53 -j REDIRECT --to-ports 9")
    named = found(net)
    if net.target == "iptables":
        with net.node.entered():
            flow = Flow("198.19.10.1", 53)
        assert flow.silent()
        flow.close()
    assert [one.subject for one in named] == ["iptables nat OUTPUT"]
    assert named[0].state.endswith("what this machine sends to port 53/udp of 198.19.10.1")
    mend(net, [one.remedy for one in named])
    with net.node.entered():
        flow = Flow("198.19.10.1", 53)
    assert (found(net), flow.answered_by()) == ([], "100.64.0.9:5353")
    flow.close()


def test_a_table_of_iptables_is_passed_over_where_its_tools_are_missing(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    net.apply(PROGRAM)
    net.run("iptables-nft -t nat -I PREROUTING -p udp --dport 53 -j REDIRECT --to-ports 9")
    real = tools.find
    monkeypatch.setattr(tools, "find", lambda name: None if "tables" in name else real(name))
    assert found(net) == []


def test_what_others_translate_beside_services_is_not_named(net: Net) -> None:
    net.apply(PROGRAM)
    for each in BESIDE:
        net.run(each)
    assert (net.flow("198.19.10.1", 53).answered_by(), found(net)) == ("100.64.0.9:5353", [])


def test_endpoints_that_are_this_machine_need_its_input_and_no_forwarding(net: Net) -> None:
    text = PROGRAM.replace("{ 100.64.0.9; fd00:64::9 }", "{ 100.64.0.254; fd00:64::fe }")
    for own in ("100.64.0.254", "fd00:64::fe"):
        net.add_own_endpoint(own)
    net.apply(text)
    for words in (
        "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0",
        "iptables-nft -P FORWARD DROP",
        "ip6tables-legacy -P FORWARD DROP",
    ):
        net.run(words)
    flows = [net.flow("198.19.10.1", 53), net.flow("fd00:19::1", 53)]
    answered = ["100.64.0.254:5353", "fd00:64::fe:5353"]
    assert ([flow.answered_by() for flow in flows], found(net, text)) == (answered, [])
    for chain in ("INPUT", "OUTPUT"):
        net.run(f"iptables-nft -P {chain} DROP")
        assert flows[0].silent()
        named = found(net, text)
        assert [one.subject for one in named] == [f"iptables filter {chain}"]
        mend(net, [one.remedy for one in named])
        assert ([flow.answered_by() for flow in flows], found(net, text)) == (answered, [])


def test_an_endpoint_without_a_route_is_named(net: Net) -> None:
    text = PROGRAM.replace("{ 100.64.0.9;", "{ 192.0.2.9;")
    net.run("ip route del default")
    net.add_endpoint("192.0.2.9")
    net.apply(text)
    flow = net.flow("198.19.10.1", 53)
    assert flow.silent()
    named = found(net, text)
    assert [(one.subject, one.state) for one in named] == [("route to endpoint 192.0.2.9", "none")]
    mend(net, [one.remedy for one in named], "100.64.0.1")
    assert (found(net, text), flow.answered_by()) == ([], "192.0.2.9:5353")


@pytest.mark.parametrize("kind", ["blackhole", "unreachable", "prohibit"])
def test_the_remedy_for_a_route_that_refuses_takes_its_place(net: Net, kind: str) -> None:
    net.apply(PROGRAM)
    net.run(f"ip route add {kind} 100.64.0.9")
    net.run(f"ip route add {kind} fd00:64::9 metric 20")  # as routing daemons give them
    flows = [net.flow("198.19.10.1", 53), net.flow("fd00:19::1", 53)]
    assert all(flow.silent() for flow in flows)
    for family, router in (("100", "100.64.0.1"), ("fd00", "fd00:64::1")):
        mend(net, [one.remedy for one in found(net) if one.subject.startswith(f"route to endpoint {family}")], router)
    assert (found(net), [flow.answered_by() for flow in flows]) == ([], ["100.64.0.9:5353", "fd00:64::9:5353"])


def test_an_address_that_all_of_a_network_answer_to_is_named(net: Net) -> None:
    """Nothing is changed: what is in place is not asked. A route that prohibits an address is no such case."""
    net.run("ip link add lan type veth peer name far")
    net.run("ip address add 203.0.113.1/24 dev lan")
    net.run("ip link set lan up")
    net.run("ip route add prohibit 192.0.2.9")
    text = PROGRAM.replace("vip 198.19.10.1", "vip 203.0.113.255").replace(
        "{ 100.64.0.9;", "{ 192.0.2.9; 203.0.113.255;"
    )
    named = {one.subject: (one.state, one.remedy) for one in found(net, text.replace("203.0.113.255;", "", 1))}
    broadcast = "it is the broadcast address of a network of this machine's: nobody in that network can connect to it"
    assert named["service address 203.0.113.255"] == (broadcast, "another address for the service")
    assert named["route to endpoint 192.0.2.9"][0] == "the route says: Permission denied"


def test_a_machine_that_has_no_route_to_its_services_is_told(net: Net) -> None:
    """Its own clients have none either: they fail before any rule is asked."""
    net.run("ip route del default")
    net.run("ip route del 198.19.0.0/16")
    net.apply(PROGRAM)
    named = found(net)
    assert [one.subject for one in named] == ["route to service address 198.19.10.1"]
    with net.node.entered(), pytest.raises(OSError, match="unreachable"):
        Flow("198.19.10.1", 53)
    mend(net, [one.remedy for one in named], "100.64.0.1")
    with net.node.entered():
        flow = Flow("198.19.10.1", 53)
    assert (found(net), flow.answered_by()) == ([], "100.64.0.9:5353")
    flow.close()


def test_a_blackhole_for_services_keeps_this_machines_own_clients_from_them(net: Net) -> None:
    """A routing daemon announces such a route. Clients elsewhere never meet it: they are translated before."""
    text = PROGRAM.replace("vip 198.19.10.1", "vip 198.19.10.1 198.19.20.1")
    net.run("ip route replace blackhole 198.19.0.0/16")
    net.apply(text)
    named = found(net, text)
    assert [(one.subject, one.state.partition(";")[0]) for one in named] == [
        (
            f"route to service address {address}",
            "the route says: blackhole: this machine's own clients cannot send there",
        )
        for address in ("198.19.10.1", "198.19.20.1")
    ]
    with net.node.entered(), pytest.raises(OSError, match="Invalid argument"):
        Flow("198.19.10.1", 53)
    assert net.flow("198.19.10.1", 53).answered_by() == "100.64.0.9:5353"
    mend(net, [one.remedy for one in named], "100.64.0.1")
    with net.node.entered():
        flow = Flow("198.19.10.1", 53)
    assert (found(net, text), flow.answered_by()) == ([], "100.64.0.9:5353")
    flow.close()


def test_a_machine_without_ipv6_is_told_once(net: Net) -> None:
    """Its devices have lost their addresses and routes: what these would say is not the cause."""
    net.run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1")
    (one,) = found(net)
    assert (one.subject, one.state) == ("IPv6", "disabled (net.ipv6.conf.all.disable_ipv6 is 1)")
    with net.node.entered():
        examined = {one.subject: one.state for one in examine(targets()[net.target])}
    assert examined["IPv6 forwarding"] == f"off: IPv6 is {one.state}"
    mend(net, [one.remedy])
    assert "IPv6" not in [one.subject for one in found(net)]


def test_pods_of_one_bridge_answer_past_the_rules_until_they_may_not(net: Net) -> None:
    net.apply(PROGRAM)
    for words in (
        "ip link add br0 type bridge",
        "ip link set br0 up",
        "ip addr flush dev pods",
        "ip link set pods master br0",
        "ip addr add 100.64.0.254/24 dev br0",
        "ip addr add fd00:64::fe/64 dev br0 nodad",
        "ip route replace default via 100.64.0.1",
        "ip route replace 198.19.0.0/16 via 100.64.0.1",
        "ip -6 route replace default via fd00:64::1",
    ):
        net.run(words)
    for key in ("iptables", "ip6tables"):
        net.run(f"sysctl -qw net.bridge.bridge-nf-call-{key}=0")
    neighbour = Namespace("neighbour")
    net.run(f"ip link add neighbour type veth peer name veth0 netns {neighbour.path}")
    net.run("ip link set neighbour master br0 up")
    with neighbour.entered():
        for words in ("addr add 100.64.0.77/24 dev veth0", "link set veth0 up", "route add default via 100.64.0.254"):
            subprocess.run(["ip", *words.split()], check=True)
        flow = Flow("198.19.10.1", 53)
    assert flow.silent()
    named = found(net)
    assert [one.subject for one in named] == ["bridge br0", "bridge br0"]
    mend(net, [one.remedy for one in named])
    assert (found(net), flow.answered_by()) == ([], "100.64.0.9:5353")
    flow.close()
    neighbour.close()


def test_what_cannot_be_read_is_named_as_unread(net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when another release of nft made something that this one dies of."""
    net.run("nft -f -", FIREWALL)
    real = net.run("which nft").strip()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/nft").write_text(f'#!/bin/sh\ncase "$*" in *" table "*) kill -SEGV $$;; esac\nexec {real} "$@"\n')
    (tmp_path / "bin/nft").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=":")
    (one,) = found(net)
    assert one.state.endswith("; its rules were not read: nft was killed by SIGSEGV")


def test_the_doctor_names_them_for_the_targets_that_translate(net: Net) -> None:
    net.run("iptables-legacy -P FORWARD DROP")
    summary = net.world.draft(PROGRAM, net.target).summary
    with net.node.entered():
        examined = list(examine(targets()[net.target], [summary]))
    assert [(one.subject, one.remedy, one.lacking) for one in examined if "FORWARD" in one.subject] == [
        ("iptables-legacy filter FORWARD", "iptables-legacy -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT", False)
    ]


def test_answers_that_come_by_another_device_than_the_strict_one_knows(net: Net) -> None:
    """The endpoint is in the network of a device, and a route of somebody's leads to it by another."""
    net.apply(PROGRAM.replace("port 53", "masquerade never; port 53"))
    flow = net.flow("198.19.10.1", 53)
    assert flow.answered_by() == "100.64.0.9:5353"
    net.run("ip link add second type veth peer name veth1 netns " + str(net.pods.path))
    net.run("ip addr add 100.65.0.254/24 dev second")
    net.run("ip link set second up")
    with net.pods.entered():
        for words in ("addr add 100.65.0.1/24 dev veth1", "link set veth1 up"):
            subprocess.run(["ip", *words.split()], check=True)
    net.run("ip route add 100.64.0.9/32 via 100.65.0.1")  # requests by the second device, answers by the first
    for key in ("all", "pods", "second", "client"):
        net.run(f"sysctl -qw net.ipv4.conf.{key}.rp_filter=0")
    assert (net.flow("198.19.10.1", 53).answered_by(), found(net)) == ("100.64.0.9:5353", [])
    net.run("sysctl -qw net.ipv4.conf.pods.rp_filter=1")
    flow = net.flow("198.19.10.1", 53)
    assert flow.silent()
    named = found(net)
    assert [one.subject for one in named] == ["reverse path of pods"]
    with net.node.entered():
        examined = list(examine(targets()[net.target]))
    (counted,) = [one for one in examined if one.subject == "reverse path filter"]
    assert counted.remedy == "sysctl -w net.ipv4.conf.pods.rp_filter=2"
    mend(net, [named[0].remedy])
    assert (found(net), flow.answered_by()) == ([], "100.64.0.9:5353")
    with net.node.entered():
        assert "reverse path filter" not in [one.subject for one in examine(targets()[net.target])]

"""The lab answers as the network that it stands for would: without rules, and with some written by hand."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from support.lab_programs import OTHER_POD, POD, POD6, VIP, VIP6, WEB, port, program
from support.waiting import LID
from svcc.compiler import ir
from svcc.verify.lab import Attempt, Lab, LabError, NoReply, Reply, Result

pytestmark = pytest.mark.kernel

NFT = """
table ip hand {
  chain service {
    ip daddr 198.19.10.0 tcp dport 80 dnat to 100.64.0.9:8080
    ip daddr 198.19.10.0 udp dport 53 dnat to 100.64.0.9:5353
    ip daddr 198.19.10.0 tcp dport 90 dnat to numgen inc mod 2 map { 0 : 100.64.0.9, 1 : 100.64.0.19 } : 8080
  }
  chain prerouting { type nat hook prerouting priority -100; jump service; }
  chain output { type nat hook output priority -100; jump service; }
  chain hairpin {
    type nat hook postrouting priority 100
    ip saddr . ip daddr { 100.64.0.9 . 100.64.0.9 } masquerade
  }
  chain refuse {
    ip daddr 198.19.10.0 tcp dport 81 reject
    ip daddr 198.19.10.0 tcp dport 82 reject with tcp reset
    ip daddr 198.19.10.0 udp dport 81 reject
    ip daddr 198.19.10.0 meta l4proto { tcp, udp } th dport 83 drop
  }
  chain refuse-arriving { type filter hook prerouting priority -110; jump refuse; }
  chain refuse-own { type filter hook output priority -110; jump refuse; }
}
table ip6 hand {
  chain service {
    ip6 daddr fd00:19::10 tcp dport 80 dnat to [fd00:64::9]:8080
    ip6 daddr fd00:19::10 udp dport 53 dnat to [fd00:64::9]:5353
  }
  chain prerouting { type nat hook prerouting priority -100; jump service; }
  chain output { type nat hook output priority -100; jump service; }
  chain hairpin {
    type nat hook postrouting priority 100
    ip6 saddr . ip6 daddr { fd00:64::9 . fd00:64::9 } masquerade
  }
  chain refuse {
    ip6 daddr fd00:19::10 meta l4proto { tcp, udp } th dport 81 reject
    ip6 daddr fd00:19::10 meta l4proto { tcp, udp } th dport 83 drop
  }
  chain refuse-arriving { type filter hook prerouting priority -110; jump refuse; }
  chain refuse-own { type filter hook output priority -110; jump refuse; }
}
"""

IPTABLES = """*nat
-A PREROUTING -d 198.19.10.0 -p tcp --dport 80 -j DNAT --to-destination 100.64.0.9:8080
-A OUTPUT -d 198.19.10.0 -p tcp --dport 80 -j DNAT --to-destination 100.64.0.9:8080
-A POSTROUTING -s 100.64.0.9 -d 100.64.0.9 -j MASQUERADE
COMMIT
"""


@pytest.fixture(scope="module")
def plain() -> Iterator[Lab]:
    """A lab without rules."""
    with Lab.up(WEB) as lab:
        yield lab


@pytest.fixture(scope="module", params=[False, True], ids=["", "bridge-netfilter"])
def ruled(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab with the nft rules above in its node."""
    with Lab.up(WEB, bridge_netfilter=request.param) as lab:
        load(lab, ["nft", "-f", "-"], NFT)
        yield lab


def load(lab: Lab, argv: list[str], text: str) -> None:
    done = lab.run("node", argv, input=text)
    assert (done.returncode, done.stderr) == (0, "")


def seen(result: Result) -> tuple[str, int, ir.Address] | NoReply:
    """An answer without the part that is the kernel's choice."""
    return result if isinstance(result, NoReply) else (result.name, result.port, result.source)


def address(lab: Lab, where: str | ir.Address, version: int) -> ir.Address:
    return next(a for a in lab.addresses(where) if a.version == version)


@pytest.mark.parametrize("where", ["client", "stranger", "peer", "outside", str(OTHER_POD), str(POD)])
@pytest.mark.parametrize(("protocol", "number"), [("tcp", 8080), ("udp", 5353)])
def test_a_pod_answers_with_its_name_and_the_source_it_sees(plain: Lab, where: str, protocol: str, number: int) -> None:
    assert seen(plain.connect(where, POD, number, protocol)) == (str(POD), number, address(plain, where, 4))


@pytest.mark.parametrize("where", ["client", "stranger", "peer", "outside", str(POD6)])
@pytest.mark.parametrize(("protocol", "number"), [("tcp", 8080), ("udp", 5353)])
def test_ipv6_as_well(plain: Lab, where: str, protocol: str, number: int) -> None:
    assert seen(plain.connect(where, POD6, number, protocol)) == (str(POD6), number, address(plain, where, 6))


@pytest.mark.parametrize(("protocol", "number"), [("tcp", 8080), ("udp", 5353)])
def test_the_node_reaches_pods_from_its_own_address_on_their_bridge(plain: Lab, protocol: str, number: int) -> None:
    results = [seen(plain.connect("node", pod, number, protocol)) for pod in (POD, POD6)]
    assert results == [(str(pod), number, own) for pod, own in zip((POD, POD6), plain.gateways, strict=True)]


def test_clients_and_peer_reach_the_node_and_each_other(plain: Lab) -> None:
    listeners = [plain.listen(where, anywhere, 99) for where in ("node", "peer") for anywhere in ("0.0.0.0", "::")]
    try:
        for where in ("node", "peer"):
            for own in plain.addresses(where):
                assert seen(plain.connect("client", own, 99)) == (where, 99, address(plain, "client", own.version))
    finally:
        for listener in listeners:
            plain.stop(listener)
    assert plain.connect("client", plain.node_addresses[0], 99) is NoReply.REFUSED


@pytest.mark.parametrize("where", ["client", "node", str(POD)])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_what_nobody_has_is_unreachable_and_what_nobody_serves_refused(plain: Lab, where: str, protocol: str) -> None:
    """All of them, at the first packet: rejects without rate limits, where nft can be had."""
    before = sent_again(plain, where)
    assert plain.connect_many(where, VIP, 80, protocol, 30) == [NoReply.UNREACHABLE] * 30
    assert plain.connect_many(where, OTHER_POD, 9, protocol, 30) == [NoReply.REFUSED] * 30
    assert sent_again(plain, where) <= before + _SLOW


#: So many segments may be sent again though nothing was lost, where a processor stands still for a second.
_SLOW = 2


def sent_again(lab: Lab, where: str) -> int:
    """How many TCP segments a host has sent again, as it had not heard of them (RFC 4022: tcpRetransSegs)."""
    names, values = (
        line.split()
        for line in lab.run(where, ["cat", "/proc/net/snmp"]).stdout.splitlines()
        if line.startswith("Tcp:")
    )
    return int(dict(zip(names, values, strict=True))["RetransSegs"])


def test_silence_is_not_what_a_server_has_not_come_to_yet() -> None:
    """A server that stands still for longer than a client waits, as on a busy machine, and answers in the end."""
    with Lab.up(WEB) as lab, lab.open("client", POD, 8080, timeout=0.1) as conversation:
        caught_up = lab._server.catch_up

        def catch_up() -> None:
            os.kill(lab._server.pid, signal.SIGCONT)
            caught_up()

        lab._server.catch_up = conversation._catch_up = catch_up  # type: ignore[method-assign]
        for protocol, number in (("tcp", 8080), ("udp", 5353)):
            os.kill(lab._server.pid, signal.SIGSTOP)
            answers = lab.connect_many("client", POD, number, protocol, 100, timeout=0.1)
            assert {seen(answer) for answer in answers} == {(str(POD), number, address(lab, "client", 4))}
        os.kill(lab._server.pid, signal.SIGSTOP)
        assert seen(conversation.ask()) == (str(POD), 8080, address(lab, "client", 4))


def test_a_source_and_a_source_port_of_the_caller_s() -> None:
    sources = (ip_address("8.8.8.8"), ip_address("9.9.9.9"))
    with Lab.up(WEB, clients={"client": sources}) as lab:
        for _ in range(2):  # the same port at once again
            for source in sources:
                answer = lab.connect("client", POD, 8080, source=source, source_port=4711)
                assert answer == Reply(str(POD), 8080, source, 4711)


def test_every_port_of_a_range_is_served() -> None:
    with Lab.up(program(port(5000, "udp", target=6000, last=5099))) as lab:
        answers = lab.connect_all(Attempt("client", POD, number, "udp") for number in range(5999, 6101))
        named = [answer.port if isinstance(answer, Reply) else answer for answer in answers]
        assert named == [NoReply.REFUSED, *range(6000, 6100), NoReply.REFUSED]


@pytest.mark.parametrize(("protocol", "number"), [("tcp", 80), ("udp", 53)])
def test_nft_rules_lead_from_vip_to_pod(ruled: Lab, protocol: str, number: int) -> None:
    target = {"tcp": 8080, "udp": 5353}[protocol]
    for vip, pod, gateway in zip((VIP, VIP6), (POD, POD6), ruled.gateways, strict=True):
        for where in ("client", "peer", "node"):
            own = address(ruled, where, vip.version)
            assert seen(ruled.connect(where, vip, number, protocol)) == (str(pod), target, own)
        assert seen(ruled.connect(pod, vip, number, protocol)) == (str(pod), target, gateway)  # hairpin
    assert seen(ruled.connect(OTHER_POD, VIP, number, protocol)) == (str(POD), target, OTHER_POD)


@pytest.mark.parametrize("where", ["client", "node", str(POD)])
def test_refusals_are_heard_at_once_and_drops_not_at_all(ruled: Lab, where: str) -> None:
    before = sent_again(ruled, where)
    vips = [VIP, *([VIP6] if where != str(POD) else [])]
    refused = [Attempt(where, vip, 81, protocol) for vip in vips for protocol in ("tcp", "udp")]
    assert set(ruled.connect_all([*refused, Attempt(where, VIP, 82)] * 6)) == {NoReply.REFUSED}
    assert sent_again(ruled, where) <= before + _SLOW
    before = sent_again(ruled, where)
    dropped = [Attempt(where, vip, 83, protocol) for vip in vips for protocol in ("tcp", "udp")]
    assert set(ruled.connect_all(dropped, timeout=1.2)) == {NoReply.TIMEOUT}
    assert sent_again(ruled, where) > before


def test_a_thousand_connections(ruled: Lab) -> None:
    answers = ruled.connect_many("client", VIP, 90, count=1000)
    assert Counter(answer.name if isinstance(answer, Reply) else answer for answer in answers) == {
        str(POD): 500,
        str(OTHER_POD): 500,
    }


def test_a_connection_stays_where_it_is_when_the_rules_change() -> None:
    with Lab.up(WEB) as lab:
        load(lab, ["nft", "-f", "-"], NFT)
        with lab.open("client", VIP, 80) as connection:
            first = connection.ask()
            assert first == Reply(str(POD), 8080, *connection.local)
            load(lab, ["nft", "-f", "-"], "flush ruleset;" + NFT.replace("dnat to 100.64.0.9", "dnat to 100.64.0.19"))
            assert connection.ask() == first
            assert seen(lab.connect("client", VIP, 80)) == (str(OTHER_POD), 8080, address(lab, "client", 4))


def test_a_connection_whose_server_stops_and_one_that_is_refused() -> None:
    with Lab.up(WEB) as lab:
        listener = next(item for item in lab.plan.listeners if item.where == str(POD) and item.port == 8080)
        with lab.open("client", POD, 8080) as connection:
            lab.stop(listener)
            assert isinstance(connection.ask(), Reply)
        with lab.open("client", POD, 8080) as connection:
            assert (connection.failure, connection.ask()) == (NoReply.REFUSED, NoReply.REFUSED)
        with lab.open("client", POD, 5353, "udp") as connection:
            assert isinstance(connection.ask(), Reply)
        with lab.open("client", VIP, 80) as connection:
            assert connection.failure is NoReply.UNREACHABLE


_ICMP_RULES = """
table inet pings {
  chain refuse {
    ip daddr 198.19.10.0 icmp type echo-request reject with icmp port-unreachable
    ip6 daddr fd00:19::10 icmpv6 type echo-request drop
  }
  chain arriving { type filter hook prerouting priority -110; jump refuse; }
  chain own { type filter hook output priority -110; jump refuse; }
}
"""


def test_a_ping_is_answered_by_who_holds_the_address_or_by_the_router(plain: Lab) -> None:
    for where in ("client", "node"):
        for held in (POD, POD6, *plain.node_addresses):
            assert plain.ping(where, held) is None
        assert [plain.ping(where, vip) for vip in (VIP, VIP6)] == [NoReply.UNREACHABLE] * 2


def test_a_ping_that_a_rule_rejects_or_drops_is_told_apart() -> None:
    with Lab.up(WEB) as lab:
        load(lab, ["nft", "-f", "-"], _ICMP_RULES)
        assert lab.ping("client", VIP) is NoReply.REFUSED
        assert [lab.ping(where, VIP6) for where in ("client", "node")] == [NoReply.TIMEOUT] * 2


def test_a_shared_address_is_the_node_s_own() -> None:
    service = replace(WEB.services[0], shared=(VIP,))
    with Lab.up(replace(WEB, services=(service,))) as lab:
        lab.listen("node", "0.0.0.0", 7)
        assert [lab.ping(where, VIP) for where in ("client", "node", str(POD))] == [None] * 3
        assert seen(lab.connect("client", VIP, 7)) == ("node", 7, address(lab, "client", 4))


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_iptables_rules_lead_from_vip_to_pod(variant: str) -> None:
    with Lab.up(WEB) as lab:
        load(lab, [f"iptables-{variant}-restore", "-w"], IPTABLES)
        for where in ("client", "node", str(OTHER_POD)):
            assert seen(lab.connect(where, VIP, 80)) == (str(POD), 8080, address(lab, where, 4))
        assert seen(lab.connect(POD, VIP, 80)) == (str(POD), 8080, lab.gateways[0])


def test_commands_see_the_host_s_network(plain: Lab) -> None:
    done = plain.run(POD, ["ip", "-o", "-4", "address", "show", "dev", "eth0"])
    assert str(POD) in done.stdout
    assert plain.run("node", ["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout == "1\n"
    background = plain.start("node", ["sh", "-c", "read line; echo got $line"])
    assert background.communicate("this", timeout=LID) == ("got this\n", "")


def test_what_cannot_be_is_said(plain: Lab) -> None:
    with pytest.raises(LabError, match="no host nowhere in the lab; there are node, outside, "):
        plain.connect("nowhere", POD, 80)
    with pytest.raises(LabError, match=r"^listen client 192\.0\.2\.1 port 80/tcp: Cannot assign requested address$"):
        plain.listen("client", "192.0.2.1", 80)

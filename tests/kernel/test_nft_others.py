"""What is not a service's affair passes the nft target's rules untouched: shown by real packets of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from support.nft_programs import program, render
from support.pings import pinged
from support.portless import arrives
from support.segments import send, sequence, stray_from_client, stray_from_endpoint, strict
from support.waiting import until
from svcc.verify.lab import Attempt, Conversation, Lab, NoReply, Reply

pytestmark = pytest.mark.kernel

PROGRAM = program(
    """
    cluster { prefix LAB; pods 100.64.0.0/24 fd00:64::/64 }
    node one { address 10.0.0.4 10.0.0.5 fd00:10::4 }
    service bulk {
      vip 198.19.10.7 fd00:19::7
      external-ip 203.0.113.7 10.0.0.5 2001:db8:7::7 shared
      port a 80/tcp -> 9090 nodeport 30090
      port b 5000-5009/tcp -> 6000
      port c 53/udp -> 5353
      endpoints { 100.64.0.9; fd00:64::9 }
    }
    service gone { external-ip 10.0.0.5 shared; port 90/tcp; endpoints { } }
    service late { vip 198.19.10.8; port 80/tcp -> 9091 nodeport 30091; endpoints { 100.64.0.9 draining } }
    """
)
ONE = PROGRAM.node("one")
HELD = ("203.0.113.7/32", "2001:db8:7::7/128", "198.19.10.7/32", "fd00:19::7/128")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The node holds service addresses itself, as keepalived or a routing daemon would have it."""
    with Lab.up(PROGRAM, ONE) as lab:
        run(lab, ["nft", "-j", "-f", "-"], render(PROGRAM, "one"))
        for address in HELD:
            run(lab, ["ip", "address", "replace", address, "dev", "lo"])
        yield lab


def run(lab: Lab, argv: list[str], text: str | None = None) -> str:
    done = lab.run("node", argv, input=text)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@contextmanager
def beside(lab: Lab, rules: str) -> Iterator[None]:
    """Other people's tables ``ip others`` and ``ip6 others``."""
    run(lab, ["nft", "-f", "-"], f"table ip others {{ {rules}\n}}\ntable ip6 others {{ {rules}\n}}\n")
    try:
        yield
    finally:
        run(lab, ["nft", "delete", "table", "ip", "others"])
        run(lab, ["nft", "delete", "table", "ip6", "others"])


def counted(lab: Lab, name: str) -> int:
    """The packets that a counter of both tables has seen."""
    listed = json.loads(run(lab, ["nft", "-j", "list", "counters"]))["nftables"]
    return sum(item["counter"]["packets"] for item in listed if item.get("counter", {}).get("name") == name)


# ---- segments that connection tracking calls INVALID

_COUNT_INVALID = "counter strange { }\n" + "".join(
    f"chain {hook} {{ type filter hook {hook} priority -95; ct state invalid counter name strange; }}\n"
    for hook in ("prerouting", "output")
)


#: How a service is reached.
WAYS = [
    ("198.19.10.7", 80),
    ("fd00:19::7", 80),
    ("203.0.113.7", 80),
    ("203.0.113.7", 5003),
    ("2001:db8:7::7", 80),
    ("10.0.0.5", 80),
    ("10.0.0.4", 30090),
    ("fd00:10::4", 30090),
]


def late(lab: Lab, where: str, talk: Conversation, address: str, port: int, *, from_pod: bool) -> None:
    """Send a segment beyond the window, and wait until connection tracking has seen it."""
    served = talk.ask()
    assert isinstance(served, Reply)
    with beside(lab, _COUNT_INVALID):
        if from_pod:
            stray_from_endpoint(lab, talk, (ip_address(served.name), served.port), (served.source, served.source_port))
        else:
            stray_from_client(lab, where, talk, (ip_address(address), port))
        until(lambda: counted(lab, "strange") > 0, "the segment is INVALID")


@pytest.mark.parametrize("from_pod", [True, False], ids=["from the pod", "from the client"])
@pytest.mark.parametrize("where", ["client", "node", "100.64.0.9"])
@pytest.mark.parametrize(("address", "port"), WAYS)
def test_an_invalid_segment_ends_no_connection(lab: Lab, where: str, address: str, port: int, from_pod: bool) -> None:
    if where == "100.64.0.9" and ":" in address:
        where = "fd00:64::9"
    with lab.open(where, address, port) as talk:
        late(lab, where, talk, address, port, from_pod=from_pod)
        assert isinstance(talk.ask(), Reply)


@pytest.mark.parametrize("from_pod", [True, False], ids=["from the pod", "from the client"])
@pytest.mark.parametrize(("address", "port"), WAYS)
def test_without_the_chain_it_would(lab: Lab, address: str, port: int, from_pod: bool) -> None:
    """So the test above can fail: somebody who was never asked answers with a reset."""
    families = ("ip", "ip6")
    chains = {f: run(lab, ["nft", "list", "chain", f, "lab", "invalid"]) for f in families}
    try:
        for family in families:
            run(lab, ["nft", "flush", "chain", family, "lab", "invalid"])
        with lab.open("client", address, port) as talk:
            late(lab, "client", talk, address, port, from_pod=from_pod)
            until(lambda: talk.ask() is NoReply.RESET, "the connection is reset")
    finally:
        for family in families:
            run(lab, ["nft", "flush", "chain", family, "lab", "invalid"])
            run(lab, ["nft", "-f", "-"], chains[family])


@pytest.mark.parametrize(("address", "port"), WAYS)
def test_a_liberal_node_loses_nothing(lab: Lab, address: str, port: int) -> None:
    """With nf_conntrack_tcp_be_liberal no segment is outside a window: each is translated, and none dropped."""
    lab.namespace("node").sysctl({"net/netfilter/nf_conntrack_tcp_be_liberal": 1})
    try:
        with lab.open("client", address, port) as talk:
            served = talk.ask()
            assert isinstance(served, Reply)
            strange = f"ct state invalid tcp dport {served.source_port} counter name strange"
            rules = (
                "counter strange { }\ncounter seen { }\n"
                f"chain before {{ type filter hook prerouting priority -95; {strange}; }}\n"
                f"chain on {{ type filter hook forward priority 10; tcp sport {served.port} counter name seen; }}"
            )
            with beside(lab, rules):
                pod, client = (ip_address(served.name), served.port), (served.source, served.source_port)
                stray_from_endpoint(lab, talk, pod, client)
                until(lambda: counted(lab, "seen") > 0, "it passed")
                assert counted(lab, "strange") == 0
            assert talk.ask() == served
    finally:
        lab.namespace("node").sysctl({"net/netfilter/nf_conntrack_tcp_be_liberal": 0})


def test_a_draining_endpoint_s_connection_lives_too(lab: Lab) -> None:
    served = render(program(SERVED), "one")
    run(lab, ["nft", "-j", "-f", "-"], served)
    try:
        for address, port in (("198.19.10.8", 80), ("10.0.0.4", 30091)):
            with lab.open("client", address, port) as talk:
                assert isinstance(talk.ask(), Reply)
                run(lab, ["nft", "-j", "-f", "-"], render(PROGRAM, "one"))
                for from_pod in (True, False):
                    late(lab, "client", talk, address, port, from_pod=from_pod)
                    assert isinstance(talk.ask(), Reply)
            run(lab, ["nft", "-j", "-f", "-"], served)
    finally:
        run(lab, ["nft", "-j", "-f", "-"], render(PROGRAM, "one"))


SERVED = """
cluster { prefix LAB; pods 100.64.0.0/24 fd00:64::/64 }
node one { address 10.0.0.4 10.0.0.5 fd00:10::4 }
service late { vip 198.19.10.8; port 80/tcp -> 9091 nodeport 30091; endpoints { 100.64.0.9 } }
"""


@pytest.mark.parametrize(
    ("address", "port", "sender"),
    [
        ("203.0.113.7", 22, "client"),  # a shared address, a port that is not declared
        ("10.0.0.4", 22, "client"),
        ("10.0.0.4", 9090, "client"),  # the node's own server at a port that endpoints have too
        ("10.0.0.4", 9090, "node"),
        ("10.0.0.4", 30092, "client"),  # among the node ports, and no service's
        ("100.64.0.9", 22, "100.64.0.9"),  # an endpoint's other ports
    ],
)
def test_invalid_segments_of_others_pass(lab: Lab, address: str, port: int, sender: str) -> None:
    """They are seen after our rules as before."""
    listener = lab.listen("100.64.0.9" if address == "100.64.0.9" else "node", "0.0.0.0", port)
    try:
        with lab.open("client", address, port) as talk:
            assert isinstance(talk.ask(), Reply)
            at, to = sequence(talk), (ip_address(address), port)
            with beside(lab, _COUNT_INVALID.replace("-95", "-85")):
                if sender == "client":
                    send(lab, sender, talk.local, to, at.sends + (1 << 30), at.expects)
                else:
                    send(lab, sender, to, talk.local, at.expects + (1 << 30), at.sends)
                until(lambda: counted(lab, "strange") > 0, "it passes our rules")
    finally:
        lab.stop(listener)


def test_by_what_an_endpoint_accepts_or_refuses_elsewhere_it_is_heard(lab: Lab) -> None:
    """Where only the way back leads over this node, its SYN-ACKs and resets are INVALID. They pass; others do not."""
    client = next(one for one in lab.addresses("client") if one.version == 4)
    pod = (ip_address("100.64.0.9"), 9090)
    watch = _COUNT_INVALID.replace("-95", "-85").replace("invalid", "invalid tcp sport 9090")
    with strict(lab), beside(lab, watch):
        for port, flags in enumerate((0x12, 0x04, 0x10, 0x04), 40000):  # SYN-ACK, RST, ACK, RST (RFC 9293)
            send(lab, "100.64.0.9", pod, (client, port), 1, 1, flags)
        until(lambda: counted(lab, "strange") >= 3, "the last one passes")
        assert counted(lab, "strange") == 3


# ---- addresses that others hold too


@pytest.mark.parametrize("where", ["client", "100.64.0.9", "node"])
@pytest.mark.parametrize("address", ["203.0.113.7", "10.0.0.5", "2001:db8:7::7"])
def test_a_shared_address_keeps_its_other_ports(lab: Lab, where: str, address: str) -> None:
    wide = "::" if ":" in address else "0.0.0.0"
    if where == "100.64.0.9" and ":" in address:
        where = "fd00:64::9"
    others = ((22, "tcp"), (123, "udp"), (80, "udp"))
    listeners = [lab.listen("node", wide, port, protocol) for port, protocol in others]
    try:
        own = lab.connect_all([Attempt(where, address, *other) for other in others])
        assert [r.name if isinstance(r, Reply) else r for r in own] == ["node"] * 3
        served = lab.connect_all([Attempt(where, address, *at) for at in ((80, "tcp"), (5009, "tcp"), (53, "udp"))])
        pod = "fd00:64::9" if ":" in address else "100.64.0.9"
        assert [(r.name, r.port) if isinstance(r, Reply) else r for r in served] == [
            (pod, 9090),
            (pod, 6009),
            (pod, 5353),
        ]
        assert lab.connect(where, address, 5010) is NoReply.REFUSED  # nobody listens
        nodeport = lab.connect(where, address, 30090)
        assert isinstance(nodeport, Reply) if address == "10.0.0.5" else nodeport is NoReply.REFUSED
    finally:
        for listener in listeners:
            lab.stop(listener)


def test_a_declared_port_of_an_empty_service_is_refused_on_a_shared_address(lab: Lab) -> None:
    """Even where the machine has a server there."""
    listener = lab.listen("node", "0.0.0.0", 90)
    try:
        assert [lab.connect(where, "10.0.0.5", 90) for where in ("client", "node")] == [NoReply.REFUSED] * 2
        assert isinstance(lab.connect("client", "10.0.0.4", 90), Reply)
    finally:
        lab.stop(listener)


# ---- protocols that no service declares


@pytest.mark.parametrize("where", ["client", "node", "100.64.0.9"])
@pytest.mark.parametrize("address", ["198.19.10.7", "203.0.113.7", "fd00:19::7"])
def test_a_service_address_that_the_node_holds_answers_pings(lab: Lab, where: str, address: str) -> None:
    if where == "100.64.0.9" and ":" in address:
        where = "fd00:64::9"
    assert pinged(lab, where, address)


@pytest.mark.parametrize("where", ["client", "node", "pod"])
@pytest.mark.parametrize("protocol", [47, 50, 51, 89, 253])
@pytest.mark.parametrize("address", ["198.19.10.7", "fd00:19::7"])
def test_protocols_without_ports_pass(lab: Lab, address: str, protocol: int, where: str) -> None:
    pod = "fd00:64::9" if ":" in address else "100.64.0.9"
    chain = f"type filter hook input priority 0; meta l4proto {protocol} counter name met"
    count = f"counter met {{ }}\nchain late {{ {chain}; }}"
    with beside(lab, count):
        arrives(lab, pod if where == "pod" else where, address, protocol, lambda: counted(lab, "met"))


# ---- what others mark and translate


def test_what_others_mark_is_not_masqueraded_and_keeps_its_mark(lab: Lab) -> None:
    """0x4000 is kube-proxy's bit too. Packets of no service: forwarded, to the node, and from it."""
    watch = """
      counter kept { }
      chain first { type filter hook prerouting priority -150; tcp dport 7777 meta mark set 0x4000; }
      chain own { type route hook output priority -150; tcp dport 7777 meta mark set 0x4000; }
      chain check { tcp dport 7777 meta mark 0x4000 ct state new counter name kept; }
      chain out { type filter hook postrouting priority 200; jump check; }
      chain in { type filter hook input priority 200; jump check; }
    """
    listeners = [lab.listen(where, "0.0.0.0", 7777) for where in ("100.64.0.9", "node")]
    try:
        with beside(lab, watch):
            probes = [
                Attempt("client", "100.64.0.9", 7777),
                Attempt("client", "10.0.0.4", 7777),
                Attempt("node", "100.64.0.9", 7777),
            ]
            answers = lab.connect_all(probes)
            assert counted(lab, "kept") == 3
    finally:
        for listener in listeners:
            lab.stop(listener)
    (client, *_) = [a for a in lab.addresses("client") if a.version == 4]
    assert [a.source if isinstance(a, Reply) else a for a in answers[:2]] == [client, client]


@pytest.mark.parametrize("where", ["client", "node"])
@pytest.mark.parametrize("address", ["198.19.10.7", "203.0.113.7", "10.0.0.5"])
@pytest.mark.parametrize("priority", [-110, -100, -95])
def test_what_others_translate_goes_on(lab: Lab, where: str, address: str, priority: int) -> None:
    """Another port of a service address, by somebody's own rule: before ours, beside them, and after."""
    listener = lab.listen("100.64.0.9", "0.0.0.0", 8443)
    rule = f"ip daddr {address} tcp dport 443 dnat to 100.64.0.9:8443"
    chains = "".join(
        f"chain {hook} {{ type nat hook {hook} priority {priority}; {rule}; }}\n" for hook in ("prerouting", "output")
    )
    run(lab, ["nft", "-f", "-"], f"table ip others {{ {chains} }}\n")
    try:
        answer = lab.connect(where, address, 443)
        assert isinstance(answer, Reply)
        assert (answer.name, answer.port) == ("100.64.0.9", 8443)
        assert isinstance(lab.connect(where, address, 80), Reply)
    finally:
        run(lab, ["nft", "delete", "table", "ip", "others"])
        lab.stop(listener)


def test_after_a_service_its_endpoint_itself_answers_the_same_source_port(lab: Lab) -> None:
    for address, pod in (("198.19.10.7", "100.64.0.9"), ("fd00:19::7", "fd00:64::9")):
        for port in range(20000, 20020):
            assert isinstance(lab.connect("client", address, 80, source_port=port), Reply)
            assert isinstance(lab.connect("client", pod, 9090, source_port=port), Reply)

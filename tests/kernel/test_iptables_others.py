"""Whom else it hits: other people's packets beside the iptables target's rules, on real kernels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import ip_address

import pytest

from support import segments
from support.iptables_kernel import FAMILIES, VARIANTS, lab
from support.pings import pinged
from support.portless import arrives
from support.waiting import until
from svcc.compiler import ir
from svcc.verify.lab import CLIENT, NODE, STRANGER, Lab, NoReply, Reply

pytestmark = pytest.mark.kernel

POD = {4: ip_address("100.64.0.9"), 6: ip_address("fd00:64::9")}
OTHER = {4: ip_address("100.64.0.19"), 6: ip_address("fd00:64::19")}
HELD = {4: ip_address("172.31.0.4"), 6: ip_address("fd00:10::40")}
OWN = {4: ip_address("10.0.0.4"), 6: ip_address("fd00:10::4")}

PROGRAM = """
cluster { pods 100.64.0.0/24 fd00:64::/64 }
node node-a { address 10.0.0.4 172.31.0.4 fd00:10::4 fd00:10::40 }
endpoints one { 100.64.0.9; fd00:64::9 }
endpoints other { 100.64.0.19; fd00:64::19 }

service keeps { vip 198.19.10.1 fd00:19::11; port 80/tcp -> 8080 nodeport 30080; masquerade never; endpoints one }
service hides { vip 198.19.10.2 fd00:19::12; port 80/tcp -> 8081 nodeport 30081; endpoints one }
service host  { vip 198.19.10.3 fd00:19::13; port 80/tcp -> 8022; endpoints { 172.31.0.4; fd00:10::40 } }
service spare { vip 198.19.10.4 fd00:19::14; port 80/tcp -> 8080; endpoints other }
service some  { external-ip 198.19.10.5 fd00:19::15; port 80/tcp nodeport 30082; endpoints one
                allow-from 203.0.113.0/24 2001:db8:ffff::/64 }
service empty { vip 198.19.10.6 fd00:19::16; port 80/tcp nodeport 30083
                endpoints { 100.64.0.29 draining; fd00:64::29 draining } }
service mine  { external-ip 10.0.0.4 fd00:10::4 shared
                port web 443/tcp -> 8443; port media 5000-5003/udp; masquerade never; endpoints one }
"""
VIP = {
    "keeps": {4: ip_address("198.19.10.1"), 6: ip_address("fd00:19::11")},
    "hides": {4: ip_address("198.19.10.2"), 6: ip_address("fd00:19::12")},
    "host": {4: ip_address("198.19.10.3"), 6: ip_address("fd00:19::13")},
    "some": {4: ip_address("198.19.10.5"), 6: ip_address("fd00:19::15")},
    "empty": {4: ip_address("198.19.10.6"), 6: ip_address("fd00:19::16")},
    "mine": OWN,
}
both_families = pytest.mark.parametrize("version", [4, 6])


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def up(variant: str) -> Iterator[Lab]:
    with lab(PROGRAM, variant) as made:
        yield made


def answer(result: object) -> Reply:
    assert isinstance(result, Reply), result
    return result


# -- segments that connection tracking calls INVALID ------------------------------------------------------------------

TALKS = [
    (CLIENT, "keeps", 80),
    (CLIENT, "keeps", 30080),
    (CLIENT, "hides", 80),
    (CLIENT, "hides", 30081),
    (CLIENT, "host", 80),
    (CLIENT, "mine", 443),
    (NODE, "keeps", 80),
    (NODE, "keeps", 30080),
    (NODE, "hides", 80),
    (NODE, "mine", 443),
    ("pod", "keeps", 80),
    ("pod", "hides", 80),
    ("pod", "keeps", 30080),
]


def place(service: str, port: int, version: int) -> segments.Place:
    return (OWN if port >= 30000 else VIP[service])[version], port


def host(where: str, version: int) -> str:
    return str(OTHER[version]) if where == "pod" else where


@both_families
@pytest.mark.parametrize(("where", "service", "port"), TALKS)
def test_a_segment_outside_the_window_of_an_endpoint_ends_no_connection(
    up: Lab, version: int, where: str, service: str, port: int
) -> None:
    with up.open(host(where, version), *place(service, port, version)) as talk:
        seen = answer(talk.ask())
        endpoint = (HELD if service == "host" else POD)[version], seen.port
        segments.stray_from_endpoint(up, talk, endpoint, (seen.source, seen.source_port))
        assert talk.ask() == seen
        assert talk.ask() == seen


@both_families
@pytest.mark.parametrize(("where", "service", "port"), TALKS)
@pytest.mark.parametrize("held", [False, True], ids=["elsewhere", "on the node"])
def test_a_segment_outside_the_window_of_a_client_ends_no_connection(
    up: Lab, version: int, where: str, service: str, port: int, held: bool
) -> None:
    """Whether the node holds the vip or not: where it does not, the segment may come to who answers it."""
    to = place(service, port, version)
    change = ["address", "{}", f"{to[0]}/{to[0].max_prefixlen}", "dev", "lo"]
    if held and to[0] not in up.node_addresses:
        up.run(NODE, ["ip", *(word.format("add") for word in change)], check=True)
    try:
        with up.open(host(where, version), *to) as talk:
            seen = answer(talk.ask())
            segments.stray_from_client(up, host(where, version), talk, to)
            assert talk.ask() == seen
            assert talk.ask() == seen
    finally:
        if held and to[0] not in up.node_addresses:
            up.run(NODE, ["ip", *(word.format("del") for word in change)], check=True)


# -- what is nobody's connection of ours -------------------------------------------------------------------------------


@contextmanager
def rules(up: Lab, version: int, variant: str, *texts: str) -> Iterator[None]:
    """Somebody else's rules, behind ours: ``TABLE CHAIN ...``."""
    tool = f"{FAMILIES[version]}-{variant}"
    for text in texts:
        table, rule = text.split(" ", 1)
        up.run(NODE, [tool, "-w", "-t", table, "-A", *rule.split()], check=True)
    try:
        yield
    finally:
        for text in reversed(texts):
            table, rule = text.split(" ", 1)
            up.run(NODE, [tool, "-w", "-t", table, "-D", *rule.split()], check=True)


@contextmanager
def held(up: Lab, address: ir.Address) -> Iterator[None]:
    """The node has the address itself."""
    words = ["ip", "address", "add", f"{address}/{address.max_prefixlen}", "dev", "lo"]
    up.run(NODE, words, check=True)
    route = ["ip", "route", "get", str(address)]  # the kernel has one of its own for IPv6 a moment after the address
    until(lambda: up.run(NODE, route).stdout.startswith("local "), f"{address} leads to the node itself")
    try:
        yield
    finally:
        up.run(NODE, [word.replace("add", "del") if word == "add" else word for word in words], check=True)


def passed(up: Lab, version: int, variant: str) -> int:
    """How many packets came to the rules called ``watch``."""
    saved = up.run(NODE, [f"{FAMILIES[version]}-{variant}-save", "-c", "-t", "filter"], check=True).stdout
    return sum(int(count) for count in re.findall(r"\[(\d+):\d+\] .*watch", saved))


def watch(chain: str, *matches: str) -> str:
    return " ".join(("filter", chain, *matches, "-m", "comment", "--comment", "watch"))


@both_families
@pytest.mark.parametrize("where", [CLIENT, NODE, "pod"])
@pytest.mark.parametrize("protocol", [47, 50, 89])
def test_protocols_without_ports_go_on(up: Lab, variant: str, version: int, where: str, protocol: int) -> None:
    """At an address of services alone and at a shared one, from the node itself too."""
    targets = (VIP["keeps"][version], OWN[version])
    with held(up, targets[0]):
        for target in targets:
            with rules(up, version, variant, watch("INPUT", "-d", str(target), "-p", str(protocol))):
                arrives(up, host(where, version), target, protocol, partial(passed, up, version, variant))


@both_families
@pytest.mark.parametrize("where", [CLIENT, NODE, "pod"])
def test_an_address_that_the_node_holds_answers_pings(up: Lab, version: int, where: str) -> None:
    with held(up, VIP["keeps"][version]):
        for target in (VIP["keeps"][version], OWN[version]):
            assert pinged(up, host(where, version), target)


@both_families
@pytest.mark.parametrize("where", [CLIENT, NODE, "pod"])
def test_a_shared_address_keeps_its_other_ports(up: Lab, version: int, where: str) -> None:
    own, client = str(OWN[version]), host(where, version)
    listeners = [up.listen(NODE, own, port, protocol) for port, protocol in ((22, "tcp"), (443, "udp"), (4999, "udp"))]
    try:
        for listener in listeners:
            found = answer(up.connect(client, own, listener.port, str(listener.protocol)))
            assert (found.name, found.port) == (NODE, listener.port)
    finally:
        for listener in listeners:
            up.stop(listener)
    taken = [(443, "tcp", 8443), (5000, "udp", 5000), (5003, "udp", 5003), (30080, "tcp", 8080)]
    for port, protocol, target in taken:
        found = answer(up.connect(client, own, port, protocol))
        assert (found.name, found.port) == (str(POD[version]), target)
    assert up.connect(client, own, 23) is NoReply.REFUSED  # by the node's own stack


@both_families
@pytest.mark.parametrize("where", [CLIENT, NODE, "pod"])
def test_others_translate_other_ports_of_a_service_address(up: Lab, variant: str, version: int, where: str) -> None:
    to, client = VIP["keeps"][version], host(where, version)
    there = f"[{OTHER[version]}]:8080" if version == 6 else f"{OTHER[version]}:8080"
    own = f"-d {to} -p tcp --dport 4443 -j DNAT --to-destination {there}"
    source = f"nat POSTROUTING -d {OTHER[version]} -j MASQUERADE"
    with rules(up, version, variant, f"nat PREROUTING {own}", f"nat OUTPUT {own}", source):
        found = answer(up.connect(client, to, 4443))
        assert (found.name, found.port) == (str(OTHER[version]), 8080)
        assert answer(up.connect(client, to, 80)).name == str(POD[version])
        assert up.connect(client, to, 4444) is NoReply.REFUSED


@both_families
@pytest.mark.parametrize("where", [STRANGER, NODE])
def test_others_translate_no_declared_port(up: Lab, variant: str, version: int, where: str) -> None:
    """Whom ``allow-from`` keeps out, or whom nobody serves, is not let in by somebody else's rule for all."""
    there = f"[{OTHER[version]}]:8080" if version == 6 else f"{OTHER[version]}:8080"
    every = f"-p tcp -j DNAT --to-destination {there}"
    address, own = VIP["some"][version], OWN[version]
    with rules(up, version, variant, f"nat PREROUTING {every}", f"nat OUTPUT {every}"):
        assert up.connect(where, address, 80) is NoReply.TIMEOUT
        assert up.connect(where, own, 30082) is NoReply.TIMEOUT
        assert up.connect(where, VIP["empty"][version], 80) is NoReply.REFUSED
        assert up.connect(where, own, 30083) is NoReply.REFUSED


@both_families
def test_a_mark_of_others_masquerades_nobody(up: Lab, variant: str, version: int) -> None:
    client = next(a for a in up.addresses(CLIENT) if a.version == version)
    with rules(up, version, variant, "mangle PREROUTING -j MARK --set-mark 0x4000"):
        found = answer(up.connect(CLIENT, POD[version], 8080))
    assert found.source == client


# -- INVALID segments of others ---------------------------------------------------------------------------------------

SYN_ACK, ACK, RST = 0x12, 0x10, 0x14
INVALID = ("-m", "conntrack", "--ctstate", "INVALID")


@both_families
@pytest.mark.parametrize(
    ("port", "flags", "passes"), [(8080, ACK, False), (8079, ACK, True), (8080, SYN_ACK, True), (8080, RST, True)]
)
def test_which_invalid_segments_of_a_pod_pass(
    up: Lab, variant: str, version: int, port: int, flags: int, passes: bool
) -> None:
    """Only those that an endpoint may have sent, and that somebody would answer with a reset."""
    seen = next(a for a in up.addresses(CLIENT) if a.version == version), 40000
    marked = watch("FORWARD", "-s", str(POD[version]), *INVALID)
    with segments.strict(up), rules(up, version, variant, marked):
        segments.send(up, POD[version], (POD[version], port), seen, 1, 1, flags)
        segments.send(up, POD[version], (POD[version], 9), seen, 1, 1)  # it comes later, and passes
        until(lambda: passed(up, version, variant) == 1 + passes, "the second one passed")


@both_families
def test_the_invalid_segments_of_others_pass(up: Lab, variant: str, version: int) -> None:
    client = next(a for a in up.addresses(CLIENT) if a.version == version)
    marked = watch("FORWARD", "-s", str(client), *INVALID)
    arriving = watch("INPUT", "-s", str(client), *INVALID)
    with segments.strict(up), rules(up, version, variant, marked, arriving):
        segments.send(up, CLIENT, (client, 8080), (POD[version], 40000), 1, 1)  # of a server outside the pods
        segments.send(up, CLIENT, (client, 40000), (POD[version], 8080), 1, 1)  # to an endpoint itself
        segments.send(
            up, CLIENT, (client, 40000), (OWN[version], 22), 1, 1
        )  # to the node's own port, of a shared address
        until(lambda: passed(up, version, variant) == 3, "all of them passed")


@both_families
def test_a_liberal_node_loses_nothing(up: Lab, variant: str, version: int) -> None:
    """With nf_conntrack_tcp_be_liberal no segment is outside a window: each is translated, and none dropped."""
    up.namespace(NODE).sysctl({"net/netfilter/nf_conntrack_tcp_be_liberal": 1})
    try:
        with up.open(CLIENT, VIP["keeps"][version], 80) as talk:
            seen = answer(talk.ask())
            with rules(up, version, variant, watch("FORWARD", "-s", str(POD[version]), "-p", "tcp")):
                segments.stray_from_endpoint(up, talk, (POD[version], 8080), (seen.source, seen.source_port))
                until(lambda: passed(up, version, variant) >= 1, "it passed")
            assert talk.ask() == seen
    finally:
        up.namespace(NODE).sysctl({"net/netfilter/nf_conntrack_tcp_be_liberal": 0})


@both_families
def test_after_a_service_its_endpoint_itself_answers_the_same_source_port(up: Lab, version: int) -> None:
    for service, port in (("keeps", 8080), ("hides", 8081)):
        for source_port in range(20000, 20020):
            answer(up.connect(CLIENT, VIP[service][version], 80, source_port=source_port))
            answer(up.connect(CLIENT, POD[version], port, source_port=source_port))

"""The ipvs target beside what is somebody else's: on a kernel that has IPVS, with real packets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_address

import pytest

from support.ipvs_kernel import served
from support.late_segments import Tap
from support.pings import pinged
from support.portless import arrives
from support.segments import send, strict
from support.waiting import until
from svcc.verify.lab import CLIENT, NODE, Lab, Reply, Result

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

POD, POD6 = "100.64.0.9", "fd00:64::9"
ACKNOWLEDGES, ACCEPTS, RESETS = 0x10, 0x12, 0x04  # ACK; SYN and ACK; RST (RFC 9293)
OTHER = "100.64.0.19"

TEXT = """
cluster { prefix T; pods 100.64.0.0/24 fd00:64::/64; nodeport-addresses 10.0.0.0/24 fd00:10::/64 }
node node-a { address 10.0.0.4 10.0.0.5 fd00:10::4 fd00:10::5 }
service masked { vip 198.19.10.1 fd00:19::1; port 80/tcp -> 8080 nodeport 30080; endpoints { 100.64.0.9; fd00:64::9 } }
service kept   { vip 198.19.10.2 fd00:19::2; port 80/tcp -> 8081 nodeport 30081; masquerade never
                 endpoints { 100.64.0.9; fd00:64::9 } }
service direct { vip 198.19.10.3; port 80/tcp; forward direct; endpoints { 100.64.0.19 } }
service shared { external-ip 10.0.0.5 fd00:10::5 shared; allow-from 192.0.2.0/24 2001:db8:100::/48 10.0.0.5 fd00:10::5
                 port 80/tcp -> 8080; endpoints { 100.64.0.9; fd00:64::9 } }
service absent { external-ip 203.0.113.100 shared; port 80/tcp -> 8080; endpoints { 100.64.0.9 } }
service empty  { vip 198.19.10.4; port 80/tcp; endpoints { } }
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with served(TEXT) as made:
        for protocol in ("tcp", "udp"):
            for address in ("0.0.0.0", "::"):
                made.listen(NODE, address, 22, protocol, name="host")
                made.listen(NODE, address, 8443, protocol, name="host")
        yield made


@contextmanager
def rule(lab: Lab, table: str, words: str, tool: str = "iptables") -> Iterator[None]:
    """A rule of somebody else's on the node, behind ours."""
    lab.run(NODE, [tool, "-t", table, "-A", *words.split()], check=True)
    try:
        yield
    finally:
        lab.run(NODE, [tool, "-t", table, "-D", *words.split()], check=True)


@contextmanager
def counted(lab: Lab, *rules: str, tool: str = "iptables") -> Iterator[Callable[[], int]]:
    """Rules of somebody else's in table filter, behind ours; yields how many packets came to them."""

    def met() -> int:
        saved = lab.run(NODE, [f"{tool}-save", "-c", "-t", "filter"], check=True).stdout
        return sum(int(count) for count in re.findall(r"\[(\d+):\d+\] .*watch", saved))

    with ExitStack() as held:
        for one in rules:
            held.enter_context(rule(lab, "filter", f"{one} -m comment --comment watch", tool))
        yield met


def told(result: Result) -> str:
    return f"{result.name}<{result.source}" if isinstance(result, Reply) else result.value


# -- connection tracking's INVALID ------------------------------------------------------------------------------------


@pytest.mark.parametrize("speaker", ["client", "endpoint"])
@pytest.mark.parametrize(
    ("to", "port", "endpoint"),
    [
        ("198.19.10.1", 80, POD),
        ("fd00:19::1", 80, POD6),
        ("10.0.0.4", 30080, POD),
        ("fd00:10::4", 30080, POD6),
        ("198.19.10.2", 80, POD),
        ("fd00:19::2", 80, POD6),
        ("10.0.0.4", 30081, POD),
        ("198.19.10.3", 80, OTHER),
        ("10.0.0.5", 80, POD),
    ],
)
def test_a_segment_outside_the_window_ends_no_connection(
    lab: Lab, to: str, port: int, endpoint: str, speaker: str
) -> None:
    where = CLIENT if speaker == "client" else endpoint
    with Tap(lab.namespace(where)) as tap, lab.open(CLIENT, to, port) as conversation:
        first = conversation.ask()
        assert isinstance(first, Reply)
        tap.send_outside(conversation.local[1] if speaker == "client" else first.source_port)
        assert conversation.ask() == first


def test_the_invalid_segments_of_others_pass(lab: Lab) -> None:
    client, pod, own, other = map(ip_address, ("192.0.2.10", POD, "10.0.0.5", OTHER))
    pass_ = [  # each with a port of its own: both ends refuse such segments, and these answers are INVALID as well
        ("FORWARD", CLIENT, (client, 8080), (pod, 40000), ACKNOWLEDGES),  # of a server outside the pods
        ("FORWARD", CLIENT, (client, 40001), (pod, 8080), ACKNOWLEDGES),  # to an endpoint itself
        ("INPUT", CLIENT, (client, 40002), (own, 22), ACKNOWLEDGES),  # to the node's own port, of a shared address
        ("FORWARD", POD, (pod, 9999), (client, 40003), ACKNOWLEDGES),  # of an endpoint's other port
        ("FORWARD", POD, (pod, 8080), (client, 40004), ACCEPTS),
        ("FORWARD", POD, (pod, 8080), (client, 40005), RESETS),
        ("FORWARD", OTHER, (other, 80), (client, 40006), ACKNOWLEDGES),  # which answers as the service address else
    ]
    ours = ("INPUT", CLIENT, (client, 40007), (own, 80), ACKNOWLEDGES)
    last = ("INPUT", CLIENT, (client, 40008), (own, 22), ACKNOWLEDGES)
    watched = [
        f"{chain} -p tcp -s {source[0]} --sport {source[1]} -d {to[0]} --dport {to[1]} -m conntrack --ctstate INVALID"
        for chain, _, source, to, _ in (*pass_, ours, last)
    ]
    with strict(lab), counted(lab, *watched) as met:
        for _, where, source, to, flags in pass_:
            send(lab, where, source, to, 1, 1, flags)
        until(lambda: met() == len(pass_), "all of them passed")
        for _, where, source, to, flags in (ours, last):
            send(lab, where, source, to, 1, 1, flags)
        until(lambda: met() == len(pass_) + 1, "the last one passed, and ours did not")


# -- shared addresses -------------------------------------------------------------------------------------------------


def test_of_a_shared_address_only_declared_ports_are_taken(lab: Lab) -> None:
    for address, pod in (("10.0.0.5", POD), ("fd00:10::5", POD6)):
        assert told(lab.connect(CLIENT, address, 80)).startswith(f"{pod}<")
        assert told(lab.connect(NODE, address, 80)).startswith(f"{pod}<")
        assert told(lab.connect(pod, address, 80, timeout=0.5)) == "timeout"  # outside allow-from
        assert told(lab.connect(CLIENT, address, 22)).startswith("host<")
        assert told(lab.connect(NODE, address, 22, "udp")).startswith("host<")
        assert told(lab.connect(CLIENT, address, 22, "udp")).startswith("host<")


def test_a_shared_address_is_served_while_somebody_holds_it(lab: Lab) -> None:
    """As on a director that VRRP makes the backup: packets that come here all the same are not ours to answer."""
    held = ["ip", "address", "show", "to", "203.0.113.100"]
    assert " lo\n" in lab.run(NODE, held).stdout  # the lab is that somebody
    assert told(lab.connect(CLIENT, "203.0.113.100", 80)).startswith(f"{POD}<")
    lab.run(NODE, ["ip", "address", "del", "203.0.113.100/32", "dev", "lo"], check=True)
    try:
        assert told(lab.connect(CLIENT, "203.0.113.100", 80)) == "unreachable"
        assert told(lab.connect(CLIENT, "203.0.113.100", 22)) == "unreachable"
    finally:
        lab.run(NODE, ["ip", "address", "add", "203.0.113.100/32", "dev", "lo"], check=True)


def test_no_address_is_put_on_a_device_where_others_hold_them_all() -> None:
    text = (
        "cluster { prefix T; pods 100.64.0.0/24; vip-device none }\n"
        "service s { vip 198.19.10.1; port 80/tcp -> 8080; endpoints { 100.64.0.9 } }\n"
    )
    with served(text) as made:
        made.listen(NODE, "0.0.0.0", 22, name="host")
        links = made.run(NODE, ["ip", "-o", "link", "show", "type", "dummy"]).stdout
        assert links == ""
        assert told(made.connect(CLIENT, "198.19.10.1", 80)).startswith(f"{POD}<")
        assert told(made.connect(CLIENT, "198.19.10.1", 22)) == "refused"


@pytest.mark.parametrize("to", ["198.19.10.1", "198.19.10.4", "10.0.0.5", "203.0.113.100", "fd00:19::1", "fd00:10::5"])
@pytest.mark.parametrize("where", [CLIENT, NODE, "endpoint"])
def test_a_service_address_answers_a_ping(lab: Lab, to: str, where: str) -> None:
    pod = POD6 if ":" in to else POD
    assert pinged(lab, pod if where == "endpoint" else where, to)


@pytest.mark.parametrize("to", ["198.19.10.1", "10.0.0.5", "fd00:19::1", "fd00:10::5"])
@pytest.mark.parametrize("where", [CLIENT, NODE, "endpoint"])
def test_protocols_without_ports_pass(lab: Lab, to: str, where: str) -> None:
    pod, tool = (POD6, "ip6tables") if ":" in to else (POD, "iptables")
    for protocol in (47, 50, 89):
        with counted(lab, f"INPUT -d {to} -p {protocol}", tool=tool) as met:
            arrives(lab, pod if where == "endpoint" else where, to, protocol, met)


@pytest.mark.parametrize(("vip", "port"), [("198.19.10.1", 8080), ("198.19.10.2", 8081)])
def test_after_a_service_its_endpoint_itself_answers_another_source_port_alone(lab: Lab, vip: str, port: int) -> None:
    """As docs/targets.md says, and the plan of a move to ipvs: IPVS takes the answers for the old connection's."""
    used, other = 10000 + port, 20000 + port  # which no other socket is given
    assert told(lab.connect(CLIENT, vip, 80, source_port=used)).startswith(f"{POD}<")
    assert told(lab.connect(CLIENT, POD, port, source_port=used, timeout=0.5)) == "timeout"
    assert told(lab.connect(CLIENT, POD, port, source_port=other)).startswith(f"{POD}<")


def test_of_two_ways_to_an_endpoint_from_one_source_port_the_newer_gets_all_answers(lab: Lab) -> None:
    """As docs/targets.md says, and the plan of a move to ipvs."""
    with lab.open(CLIENT, "198.19.10.1", 80, source_port=21000) as first, lab.open(CLIENT, "198.19.10.1", 80) as other:
        before = first.ask(), other.ask()
        assert [told(one).partition("<")[0] for one in before] == [POD, POD]
        assert told(lab.connect(CLIENT, "10.0.0.4", 30080, source_port=21000)).startswith(f"{POD}<")
        assert told(first.ask()) == "timeout"
        assert other.ask() == before[1]


# -- other people's marks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("to", "tool"), [(POD, "iptables"), (POD6, "ip6tables")])
def test_what_others_mark_is_not_masqueraded(lab: Lab, to: str, tool: str) -> None:
    """Traffic of no service, straight to an endpoint's port, with the bit that means "masquerade" to us."""
    before = lab.connect(CLIENT, to, 8080)
    with rule(lab, "mangle", f"PREROUTING -d {to} -j MARK --set-mark 0x4000", tool):
        marked = lab.connect(CLIENT, to, 8080)
    assert isinstance(before, Reply)
    assert isinstance(marked, Reply)
    assert marked.source == before.source
    assert marked.source in lab.addresses(CLIENT)


def test_a_host_that_others_send_to_itself_is_not_masqueraded(lab: Lab) -> None:
    """Somebody else's translation that leads an endpoint to itself looks like a hairpin, and is not ours."""
    _masqueraded(lab)
    with rule(lab, "nat", f"PREROUTING -d 203.0.113.200 -p tcp -j DNAT --to-destination {POD}:8080"):
        lab.connect(POD, "203.0.113.200", 8080, timeout=0.5)
    assert _masqueraded(lab) == ["0", "0"]
    lab.connect(POD, "198.19.10.1", 80)
    assert _masqueraded(lab) == ["1", "1"]


def _masqueraded(lab: Lab) -> list[str]:
    """How many packets each rule of the chain has had since the last call. iptables 1.8.11 refuses -xvnL with -Z."""
    said = lab.run(NODE, ["iptables", "-t", "nat", "-xvnL", "T-MASQUERADE"], check=True).stdout
    lab.run(NODE, ["iptables", "-t", "nat", "-Z", "T-MASQUERADE"], check=True)
    return [line.split()[0] for line in said.splitlines()[2:4]]


# -- other people's translations --------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["198.19.10.1", "10.0.0.5", "203.0.113.100"])
@pytest.mark.parametrize("where", [CLIENT, NODE])
def test_others_translate_ports_that_no_service_declares(lab: Lab, address: str, where: str) -> None:
    hook = "OUTPUT" if where == NODE else "PREROUTING"
    with rule(lab, "nat", f"{hook} -d {address} -p tcp --dport 443 -j DNAT --to-destination {OTHER}:80"):
        assert told(lab.connect(where, address, 443)).startswith(f"{OTHER}<")
    # to another port of the same address, where the machine's own server is
    with rule(lab, "nat", f"{hook} -d {address} -p tcp --dport 443 -j DNAT --to-destination {address}:8443"):
        assert told(lab.connect(where, address, 443)).startswith("host<")
    if address == "198.19.10.1":
        assert told(lab.connect(where, address, 8443)) == "refused"


def test_declared_ports_stay_ours(lab: Lab) -> None:
    with (
        rule(lab, "nat", f"PREROUTING -p tcp --dport 80 -j DNAT --to-destination {OTHER}:80"),
        rule(lab, "nat", f"PREROUTING -p tcp --dport 30080 -j DNAT --to-destination {OTHER}:80"),
    ):
        assert told(lab.connect(CLIENT, "198.19.10.1", 80)).startswith(f"{POD}<")
        assert told(lab.connect(CLIENT, "10.0.0.5", 80)).startswith(f"{POD}<")
        assert told(lab.connect(CLIENT, "10.0.0.4", 30080)).startswith(f"{POD}<")
        assert told(lab.connect(CLIENT, "198.19.10.4", 80)) == "refused"  # declared, and nobody serves it

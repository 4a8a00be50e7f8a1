"""Real packets through the rules of the nft target."""

from __future__ import annotations

import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

import pytest

from support.affinity import kept_beyond
from support.nft_programs import EVERYTHING, program, render
from support.waiting import until
from svcc.compiler import ir
from svcc.verify.lab import Attempt, Lab, NoReply, Reply, Result
from svcc.verify.packet import Forwarded, Packet, Refusal, Vantage
from svcc.verify.reference import outcome

pytestmark = pytest.mark.kernel

PROGRAM = program(EVERYTHING)
ONE = PROGRAM.node("one")
LOAD = ["nft", "-j", "-f", "-"]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.up(PROGRAM, ONE) as lab:
        load(lab, PROGRAM, "one")
        yield lab


def load(lab: Lab, program: ir.Program, node: str | None = None) -> None:
    run(lab, LOAD, render(program, node))


def run(lab: Lab, argv: list[str], text: str | None = None) -> str:
    done = lab.run("node", argv, input=text)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def names(results: list[Result]) -> list[str]:
    """The last number of each answering pod's address: ``9`` for 100.64.0.9."""
    return [r.name.rpartition(".")[2] if isinstance(r, Reply) else f"{r}" for r in results]


# ---- every destination, against the reference


def destinations() -> Iterator[tuple[ir.Address, int, ir.Protocol]]:
    """Every declared port (of ranges the ends), and the one after."""
    assert ONE is not None
    for service in PROGRAM.services:
        for port in service.ports:
            for address in (*service.vips, *service.external_ips):
                for number in {port.ports.first, port.ports.last, port.ports.last + 1}:
                    yield address, number, port.protocol
            if port.nodeport is not None:
                for own in ONE.addresses:
                    yield own, port.nodeport.first, port.protocol
                    yield own, port.nodeport.last, port.protocol


def as_expected(lab: Lab, packet: Packet, result: Result) -> bool:
    expected = outcome(PROGRAM, ONE, packet)
    if expected is Refusal.UNTOUCHED:
        return result is NoReply.REFUSED  # nobody listens
    if isinstance(expected, Refusal):
        return result is {Refusal.REJECT: NoReply.REFUSED, Refusal.DROP: NoReply.TIMEOUT}[expected]
    assert isinstance(expected, Forwarded)
    own = {*lab.gateways, *lab.node_addresses}
    return isinstance(result, Reply) and any(
        (str(choice.address), choice.port) == (result.name, result.port)
        and (packet.vantage is Vantage.NODE or choice.masquerade == (result.source in own))
        for choice in expected.choices
    )


@pytest.mark.parametrize(
    ("where", "vantage"),
    [
        *(("client", Vantage.CLIENT), ("stranger", Vantage.CLIENT), ("node", Vantage.NODE)),
        *((pod, Vantage.POD) for pod in ("100.64.0.9", "100.64.0.19", "fd00:64::9")),
    ],
)
def test_every_destination_fares_as_the_reference_says(lab: Lab, where: str, vantage: Vantage) -> None:
    sources = {address.version: address for address in lab.addresses(where)}
    places = [
        (address, port, protocol)
        for address, port, protocol in dict.fromkeys(destinations())
        if address.version in sources and protocol in lab.protocols
    ]
    results = lab.connect_all([Attempt(where, *place) for place in places])
    packets = [Packet(sources[a.version], a, protocol, port, vantage) for a, port, protocol in places]
    wrong = [(p, r) for p, r in zip(packets, results, strict=True) if not as_expected(lab, p, r)]
    assert wrong == []


# ---- schedulers


def test_rr_is_exact_for_each_of_two_services_in_turn(lab: Lab) -> None:
    probes = [Attempt("client", vip, 80) for _ in range(6) for vip in ("198.19.10.1", "198.19.10.2")]
    found = names(lab.connect_all(probes, at_once=1))
    fair, fairer = found[::2], found[1::2]
    assert Counter(fair) == {"9": 2, "19": 2, "29": 2}
    assert fair[:3] == fair[3:]
    assert Counter(fairer) == {"9": 3, "19": 3}
    assert fairer[:2] == fairer[2:4] == fairer[4:]


def test_wrr_follows_the_weights_exactly_and_deals(lab: Lab) -> None:
    found = "-".join(names(lab.connect_many("client", "198.19.10.3", 80, count=12, at_once=1)))
    cycle = "19-9-19-39-"
    assert found in cycle * 4
    assert Counter(found.split("-")) == {"9": 3, "19": 6, "39": 3}


def test_random_reaches_all(lab: Lab) -> None:
    assert set(names(lab.connect_many("client", "198.19.10.0", 80, count=40))) == {"9", "19"}


def test_a_weight_of_65535_to_1(lab: Lab) -> None:
    """Ranges in the verdict map are compared in the right byte order: nearly all go to the first."""
    assert Counter(names(lab.connect_many("client", "198.19.10.4", 80, count=200)))["9"] >= 195


def test_sh_follows_the_weights_over_many_clients_and_keeps_each() -> None:
    hashed = program(
        "service hashed { vip 198.19.10.5; scheduler sh; port 80/tcp;\n"
        "  endpoints { 100.64.0.9; 100.64.0.19 weight 2 } }"
    )
    crowd = tuple(ip_address(f"172.30.0.{number}") for number in range(1, 61))
    with Lab.up(hashed, clients={"crowd": crowd}) as lab:
        load(lab, hashed)
        probes = [Attempt("crowd", "198.19.10.5", 80, source=source) for source in crowd for _ in range(2)]
        found = names(lab.connect_all(probes))
    assert found[::2] == found[1::2]
    assert 28 <= Counter(found[::2])["19"] <= 52


def test_affinity_keeps_the_endpoint_and_forgets_it_in_time(lab: Lab) -> None:
    """4 s, that start again with each new connection."""

    def connect(vip: str = "198.19.10.6", port: int = 80) -> str:
        return names([lab.connect("stranger", vip, port)])[0]

    chosen = kept_beyond(4, connect)
    for _ in range(12):  # the odds that none is another one: 1 in 500,000
        time.sleep(4.5)
        if connect() != chosen:
            return
    pytest.fail("the client was never given another endpoint")


def test_affinity_holds_over_a_range_of_ports(lab: Lab) -> None:
    found = lab.connect_all([Attempt("client", "198.19.10.13", port) for port in range(6000, 6010)])
    assert len(set(names(found))) == 1
    assert [r.port for r in found if isinstance(r, Reply)] == list(range(7000, 7010))


# ---- what must not happen


def test_established_connections_outlive_a_reload_and_a_drain(lab: Lab) -> None:
    with lab.open("client", "198.19.10.1", 80) as conversation:
        before = conversation.ask()
        assert isinstance(before, Reply)
        text = EVERYTHING.replace("endpoints { 100.64.0.9; 100.64.0.19; 100.64.0.29 }", "endpoints { 100.64.0.99 }")
        assert text != EVERYTHING
        load(lab, program(text), "one")
        assert conversation.ask() == before
    load(lab, PROGRAM, "one")


def test_only_our_bit_of_the_mark_changes_and_it_ends_at_the_node(lab: Lab) -> None:
    """Packets that came with a mark of others leave with it, masqueraded or not, to pods or to the node itself."""
    watch = """
    table ip watch {
      counter kept { }
      counter changed { }
      chain before { type filter hook prerouting priority -150; iifname eth0 ct state new meta mark set 0x3; }
      chain check { meta mark 0x3 counter name kept return; counter name changed; }
      chain after  { type filter hook postrouting priority 200; iifname eth0 ct state new jump check; }
    }
    """
    run(lab, ["nft", "-f", "-"], watch)
    try:
        probes = [
            Attempt("client", "198.19.10.0", 80),
            Attempt("client", "198.19.10.8", 80),
            Attempt("client", "10.0.0.4", 30080),
        ]
        assert not any(isinstance(result, NoReply) for result in lab.connect_all(probes))
        counters = run(lab, ["nft", "list", "counters", "table", "ip", "watch"])
    finally:
        run(lab, ["nft", "delete", "table", "ip", "watch"])
    assert [line.split()[1] for line in counters.splitlines() if "packets" in line] == ["3", "0"]


def test_the_mark_ends_at_an_endpoint_on_the_node_itself() -> None:
    own = program(
        "node one { address 10.0.0.4 }\n"
        "service own { vip 198.19.10.0; masquerade always; port 80/tcp -> 8080; endpoints { 10.0.0.4 on one } }"
    )
    watch = """
    table ip watch {
      counter clear { }
      counter marked { }
      chain check { meta mark 0 counter name clear return; counter name marked; }
      chain after { type filter hook input priority 200; tcp dport 8080 ct state new jump check; }
    }
    """
    with Lab.up(own, own.node("one")) as lab:
        load(lab, own, "one")
        run(lab, ["nft", "-f", "-"], watch)
        answer = lab.connect("client", "198.19.10.0", 80)
        counters = run(lab, ["nft", "list", "counters", "table", "ip", "watch"])
    assert isinstance(answer, Reply)
    assert answer.name == "10.0.0.4"
    assert [line.split()[1] for line in counters.splitlines() if "packets" in line] == ["1", "0"]


def test_a_vip_on_a_device_of_the_node_exposes_nothing(lab: Lab) -> None:
    """Neither the node's own ports nor node ports are there."""
    run(lab, ["ip", "address", "add", "198.19.10.1/32", "dev", "lo"])
    listener = lab.listen("node", "0.0.0.0", 99)
    try:
        ports = (99, 30080, 80)
        own, nodeport, served = lab.connect_all([Attempt("client", "198.19.10.1", port) for port in ports])
        assert (own, nodeport) == (NoReply.REFUSED, NoReply.REFUSED)
        assert isinstance(served, Reply)
    finally:
        lab.stop(listener)
        run(lab, ["ip", "address", "del", "198.19.10.1/32", "dev", "lo"])


def test_loopback_addresses_serve_no_node_ports(lab: Lab) -> None:
    assert lab.connect_all([Attempt("node", at, 30080) for at in ("127.0.0.1", "::1")]) == [NoReply.REFUSED] * 2


def test_an_icmp_error_about_a_served_connection_reaches_the_endpoint(lab: Lab) -> None:
    """The client has no socket for the answer: what its host says to the vip then is for the pod."""
    question = struct.pack("!4H", 40000, 53, 10, 0) + b"?\n"  # a UDP header without checksum, and two bytes
    run(lab, ["nft", "-f", "-"], _COUNT_ERRORS)
    try:
        with lab.namespace("client").entered():
            sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, 17)

        def counted() -> bool:
            """It is asked again where the question or the error got lost on its way."""
            with suppress(OSError):
                sock.sendto(question, ("198.19.10.0", 0))
            return "packets 0" not in run(lab, ["nft", "list", "counters", "table", "ip", "watch"])

        with sock:
            until(counted, "the error is counted")
    finally:
        run(lab, ["nft", "delete", "table", "ip", "watch"])


_COUNT_ERRORS = """
table ip watch {
  counter errors { }
  chain after {
    type filter hook postrouting priority 200
    ip daddr 100.64.0.0/24 icmp type destination-unreachable counter name errors
  }
}
"""

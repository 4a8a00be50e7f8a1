"""The lab on a kernel of its own, with what this machine's may lack: sctp, direct routing, tunnels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import ipvs_kernel
from support.lab_programs import OTHER_POD, POD, POD6, VIP, VIP6, port, program
from svcc.compiler import ir
from svcc.verify.lab import Attempt, Lab, NoReply, Reply
from svcc.verify.verification import Verification

pytestmark = pytest.mark.vm

DIRECTOR = """set -e
ip link add svcc0 type dummy
ip link set svcc0 up
ip address add 198.19.10.0/32 dev svcc0
ip address add fd00:19::10/128 dev svcc0 nodad
sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
ipvsadm -A -t 198.19.10.0:80 -s rr
ipvsadm -a -t 198.19.10.0:80 -r 100.64.0.9:80 $1
ipvsadm -a -t 198.19.10.0:80 -r 100.64.0.19:80 $1
ipvsadm -A -u 198.19.10.0:53 -s rr
ipvsadm -a -u 198.19.10.0:53 -r 100.64.0.9:53 $1
ipvsadm -A -t [fd00:19::10]:80 -s rr
ipvsadm -a -t [fd00:19::10]:80 -r [fd00:64::9]:80 $1
"""


@pytest.fixture(scope="module")
def sctp() -> Iterator[Lab]:
    with Lab.up(program(port(80, "sctp", target=8080))) as lab:
        yield lab


def test_sctp_servers_answer(sctp: Lab) -> None:
    assert sctp.protocols == frozenset(ir.Protocol)
    for where in ("client", "peer"):
        for pod in (POD, POD6):
            answer = sctp.connect(where, pod, 8080, "sctp")
            assert isinstance(answer, Reply)
            own = next(a for a in sctp.addresses(where) if a.version == pod.version)
            assert (answer.name, answer.port, answer.source) == (str(pod), 8080, own)
    with sctp.open("client", POD, 8080, "sctp") as connection:
        assert connection.ask() == connection.ask() == Reply(str(POD), 8080, *connection.local)


def test_sctp_refusals_are_heard(sctp: Lab) -> None:
    assert sctp.connect("client", POD, 81, "sctp") is NoReply.REFUSED
    for chain in ("FORWARD", "OUTPUT"):
        for number, verdict in (("82", "REJECT"), ("83", "DROP")):
            rule = ["iptables", "-w", "-A", chain, "-p", "sctp", "--dport", number, "-j", verdict]
            assert sctp.run("node", rule).returncode == 0
    probes = [Attempt(where, POD, number, "sctp") for number in (82, 83) for where in ("client", "node")]
    assert sctp.connect_all(probes) == [NoReply.REFUSED] * 2 + [NoReply.TIMEOUT] * 2


@pytest.mark.parametrize(
    ("forward", "flag"), [(ir.Forward.DIRECT, "-g"), (ir.Forward.TUNNEL, "-i"), (ir.Forward.MASQUERADE, "-m")]
)
def test_pods_take_what_ipvs_sends_them(forward: ir.Forward, flag: str) -> None:
    with Lab.up(program(port(80), port(53, "udp"), forward=forward)) as lab:
        done = lab.run("node", ["sh", "-c", DIRECTOR, "sh", flag])
        assert (done.returncode, done.stderr) == (0, "")
        own, own6 = lab.addresses("client")
        probes = [Attempt("client", VIP, 80), Attempt("client", VIP, 80), Attempt("client", VIP, 53, "udp")]
        answers = lab.connect_all([*probes, Attempt("client", VIP6, 80)], at_once=1)
        assert [(a.name, a.port, a.source) for a in answers if isinstance(a, Reply)] == [
            (str(OTHER_POD), 80, own),
            (str(POD), 80, own),
            (str(POD), 53, own),
            (str(POD6), 80, own6),
        ]


def test_verify_finds_the_director_among_its_own_real_servers() -> None:
    """What the director serves itself under direct routing arrives there, at the vip."""
    text = (
        "node lb { address 192.0.2.1 fd00:10::1 }\n"
        "service web { vip 203.0.113.100 2001:db8::100; port http 80/tcp; port dns 53/udp\n"
        "              scheduler rr; forward direct; endpoints { 192.0.2.11; 192.0.2.1; fd00:10::1 } }\n"
    )
    made, bundle = ipvs_kernel.program(text), ipvs_kernel.render(text)
    with Verification.start(made, made.nodes[0], bundle, ir.Scheduler.RR) as session:
        verdicts = [*session.verdicts(6)]
    assert [(verdict.case.frontend, verdict.deviation) for verdict in verdicts if verdict.deviation] == []
    told = {verdict.case.frontend: verdict.counts for verdict in verdicts}
    assert told["web-http vip 203.0.113.100:80/tcp"] == {"192.0.2.11:80": 3, "192.0.2.1:80": 3}

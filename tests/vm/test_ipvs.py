"""The ipvs target on a kernel that has IPVS: every part loads and stays what it is, and packets go where they must."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.ipvs_kernel import EVERYTHING, live_sets, part, render, served
from svcc.compiler.ir import Address
from svcc.targets.interface import Bundle
from svcc.verify.lab import CLIENT, NODE, STRANGER, Lab, NoReply, Reply

pytestmark = [pytest.mark.vm(oldest=True), pytest.mark.kernel]

POD, POD6 = "100.64.0.9", "fd00:64::9"
OTHER, OTHER6 = "100.64.0.19", "fd00:64::19"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with served(EVERYTHING) as made:
        for address in ("0.0.0.0", "::"):
            for protocol in ("tcp", "udp"):
                made.listen(NODE, address, 22, protocol, name="host")
                made.listen(NODE, address, 65535, protocol, name="host")
        made.listen(NODE, "0.0.0.0", 65512, name="host")  # behind a node port
        made.listen(NODE, "0.0.0.0", 65518, name="host")  # behind one without endpoints
        yield made


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return render(EVERYTHING)


def seen(lab: Lab, where: str, to: str, port: int, protocol: str = "tcp", count: int = 2) -> str:
    """Who answers ``count`` connections and what they see of the client, or how they fail, in one line."""
    results = lab.connect_many(where, to, port, protocol, count=count, timeout=1.2, at_once=1)
    return " ".join(sorted({_told(lab, where, to, result) for result in results}))


def _told(lab: Lab, where: str, to: str, result: Reply | NoReply) -> str:
    if isinstance(result, NoReply):
        return result.value
    return f"{result.name}<{_role(lab, where, to, result.source)}"


def _role(lab: Lab, where: str, to: str, source: Address) -> str:
    """Whose address a source is: "itself" is the client's own, "gateway" the node's on the pods' bridge."""
    if source in lab.gateways:
        return "gateway"
    if str(source) == to:
        return "vip"
    return "itself" if source in lab.addresses(where) else str(source)


def outcomes(lab: Lab, asked: dict[tuple[str, str, int, str], str]) -> dict[tuple[str, str, int, str], str]:
    """The questions with the answers they get now; as many connections each as it has answers."""
    return {question: seen(lab, *question, count=len(answer.split())) for question, answer in asked.items()}


# -- the parts --------------------------------------------------------------------------------------------------------


def node_prints(lab: Lab, *command: str) -> str:
    done = lab.run(NODE, command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ipvsadm_saves_what_was_loaded(lab: Lab, bundle: Bundle) -> None:
    live = [line.rstrip() for line in node_prints(lab, "ipvsadm", "-S", "-n").splitlines()]
    assert sorted(live) == sorted(part(bundle, "ipvsadm").splitlines())


def test_ipset_saves_what_was_loaded(lab: Lab, bundle: Bundle) -> None:
    live = live_sets(node_prints(lab, "ipset", "save"))
    assert sorted(live.splitlines()) == sorted(part(bundle, "ipset").splitlines())


@pytest.mark.parametrize("name", ["iptables", "ip6tables"])
def test_iptables_saves_what_was_loaded(lab: Lab, bundle: Bundle, name: str) -> None:
    live = node_prints(lab, f"{name}-save").splitlines()
    rules = [line for line in part(bundle, name).splitlines() if line.startswith(("-I", "-A"))]
    assert sorted(line for line in live if line.startswith("-A")) == sorted(f"-A{rule[2:]}" for rule in rules)


def test_the_dummy_device_holds_the_vips(lab: Lab, bundle: Bundle) -> None:
    shown = node_prints(lab, "ip", "-o", "address", "show", "dev", "custom-ipvs0")
    words = [
        line.split("address replace ")[1].split()[0] for line in part(bundle, "ip").splitlines() if "address" in line
    ]
    held = [line.split()[3] for line in shown.splitlines() if "scope link" not in line]
    assert sorted(held) == sorted(words)


def test_sysctls_are_set(lab: Lab, bundle: Bundle) -> None:
    wanted = [line for line in part(bundle, "sysctl").splitlines() if not line.startswith("#")]
    keys = [line.split(" = ")[0] for line in wanted]
    assert node_prints(lab, "sysctl", *keys).splitlines() == wanted


# -- packets ----------------------------------------------------------------------------------------------------------


def test_vips(lab: Lab) -> None:
    asked = {
        (CLIENT, "198.19.10.0", 8080, "tcp"): f"{OTHER}<gateway {POD}<gateway",
        (NODE, "198.19.10.0", 8080, "tcp"): f"{OTHER}<gateway {POD}<gateway",
        (POD, "198.19.10.0", 8080, "tcp"): f"{OTHER}<itself {POD}<gateway",
        (OTHER, "198.19.10.0", 8080, "tcp"): f"{OTHER}<gateway {POD}<itself",
        (CLIENT, "fd00:19::10", 8080, "tcp"): f"{OTHER6}<gateway {POD6}<gateway",
        (NODE, "fd00:19::10", 8080, "tcp"): f"{OTHER6}<gateway {POD6}<gateway",
        (POD6, "fd00:19::10", 8080, "tcp"): f"{OTHER6}<itself {POD6}<gateway",
        (CLIENT, "203.0.113.7", 8080, "tcp"): f"{OTHER}<gateway {POD}<gateway",
        (NODE, "203.0.113.7", 8080, "tcp"): f"{OTHER}<gateway {POD}<gateway",
        (POD, "203.0.113.7", 8080, "tcp"): f"{OTHER}<gateway {POD}<gateway",
        (CLIENT, "2001:db8:7::7", 8080, "tcp"): f"{OTHER6}<gateway {POD6}<gateway",
    }
    assert outcomes(lab, asked) == asked


def test_node_ports(lab: Lab) -> None:
    asked = {
        (CLIENT, "10.0.0.4", 65512, "tcp"): f"{OTHER}<gateway {POD}<gateway",
        (NODE, "10.0.0.4", 65512, "tcp"): f"{OTHER}<gateway {POD}<gateway",
        (POD, "10.0.0.4", 65512, "tcp"): f"{OTHER}<gateway {POD}<gateway",
        (CLIENT, "fd00:10::4", 65512, "tcp"): f"{OTHER6}<gateway {POD6}<gateway",
        # addresses outside nodeport-addresses, loopback and other ports stay the host's own
        (CLIENT, "172.31.0.4", 65512, "tcp"): "host<itself",
        (NODE, "127.0.0.1", 65512, "tcp"): "host<vip",
        (CLIENT, "10.0.0.4", 65535, "tcp"): "host<itself",
        (CLIENT, "10.0.0.4", 65512, "udp"): "refused",
        # and on a vip nobody serves a node port
        (CLIENT, "198.19.10.0", 65512, "tcp"): "refused",
    }
    assert outcomes(lab, asked) == asked


@pytest.mark.parametrize("where", [CLIENT, NODE, POD])
def test_a_vip_exposes_no_port_of_the_host(lab: Lab, where: str) -> None:
    asked = {(where, "198.19.10.0", 22, "tcp"): "refused", (where, "203.0.113.7", 22, "udp"): "refused"}
    assert outcomes(lab, asked) == asked
    assert seen(lab, where, "10.0.0.4", 22).startswith("host")


@pytest.mark.parametrize("where", [CLIENT, NODE])
def test_a_v6_vip_exposes_no_port_of_the_host(lab: Lab, where: str) -> None:
    asked = {(where, "fd00:19::10", 22, "tcp"): "refused", (where, "2001:db8:7::7", 22, "udp"): "refused"}
    assert outcomes(lab, asked) == asked


@pytest.mark.parametrize("where", [CLIENT, NODE, POD])
def test_services_without_an_endpoint(lab: Lab, where: str) -> None:
    asked = {
        (where, "198.19.10.30", 80, "tcp"): "refused",
        (where, "10.0.0.4", 65518, "tcp"): "refused",
        (where, "198.19.10.31", 80, "tcp"): "timeout",
        (where, "10.0.0.4", 65519, "tcp"): "timeout",
        (where, "198.19.10.32", 80, "udp"): "refused",
        (where, "198.19.10.33", 80, "tcp"): "timeout",
    }
    assert outcomes(lab, asked) == asked
    # The node's own SYN is refused by IPVS with an ICMP error, which a tcp socket hears when it repeats the SYN.
    assert lab.connect(where, "198.19.10.32", 80, timeout=4) is NoReply.REFUSED


def test_a_v6_service_without_an_endpoint(lab: Lab) -> None:
    asked = {(where, "fd00:19::30", 80, "tcp"): "refused" for where in (CLIENT, NODE, POD6)}
    assert outcomes(lab, asked) == asked


def test_draining_endpoints_get_nothing_new(lab: Lab) -> None:
    assert seen(lab, CLIENT, "198.19.10.1", 80, count=6) == f"{POD}<gateway"


def test_weights(lab: Lab) -> None:
    results = lab.connect_many(CLIENT, "198.19.10.2", 80, count=40)
    assert [sum(isinstance(r, Reply) and r.name == name for r in results) for name in (POD, OTHER)] == [30, 10]


@pytest.mark.parametrize("vip", ["198.19.10.3", "fd00:19::3"])
def test_affinity(lab: Lab, vip: str) -> None:
    of_one = {seen(lab, CLIENT, vip, 80) for _ in range(3)}
    of_another = {seen(lab, STRANGER, vip, 80) for _ in range(3)}
    assert (len(of_one), len(of_another), len(of_one | of_another)) == (1, 1, 2)


def test_masquerade_always_and_never(lab: Lab) -> None:
    asked = {
        (POD, "198.19.10.5", 80, "tcp"): f"{POD}<gateway",
        (OTHER, "198.19.10.5", 80, "tcp"): f"{POD}<gateway",
        (OTHER6, "fd00:19::5", 80, "tcp"): f"{POD6}<gateway",
        (OTHER, "198.19.10.4", 53, "udp"): f"{POD}<itself",
        (CLIENT, "198.19.10.4", 53, "udp"): f"{POD}<itself",
        (CLIENT, "203.0.113.4", 53, "udp"): f"{POD}<itself",
        (CLIENT, "10.0.0.4", 65514, "udp"): f"{POD}<itself",
        (POD, "198.19.10.4", 53, "udp"): f"{POD}<gateway",  # hairpin, always
        (NODE, "10.0.0.4", 65514, "udp"): f"{POD}<vip",  # here the vip is the node's own address
        (NODE, "198.19.10.4", 53, "udp"): f"{POD}<gateway",  # the node has no better address than a vip
    }
    assert outcomes(lab, asked) == asked


def test_sources_become_the_addresses_that_the_service_names(lab: Lab) -> None:
    one, other = "203.0.113.20", "203.0.113.21"
    for where, address, port, protocol in (
        (CLIENT, "198.19.10.8", 80, "tcp"),
        (STRANGER, "198.19.10.8", 5011, "udp"),
        (CLIENT, "203.0.113.19", 80, "tcp"),
        (CLIENT, "10.0.0.4", 65524, "tcp"),
        (NODE, "198.19.10.8", 80, "tcp"),
        (POD, "198.19.10.8", 80, "tcp"),  # hairpin
    ):
        answer = lab.connect(where, address, port, protocol)
        assert isinstance(answer, Reply)
        assert (answer.name, str(answer.source) in (one, other)) == (POD, True), (where, address)
    asked = {
        (OTHER, "198.19.10.8", 80, "tcp"): f"{POD}<itself",
        (CLIENT, "198.19.10.5", 80, "tcp"): f"{POD}<gateway",  # another service with the same endpoint
    }
    assert outcomes(lab, asked) == asked
    answer = lab.connect(CLIENT, "fd00:19::28", 80)
    assert isinstance(answer, Reply)
    assert (answer.name, str(answer.source)) == (POD6, "fd00:20::1")


def test_traffic_external_local(lab: Lab) -> None:
    asked = {
        (CLIENT, "198.19.10.6", 80, "tcp"): f"{OTHER}<gateway {POD}<gateway",
        (CLIENT, "203.0.113.6", 80, "tcp"): f"{POD}<itself",
        (CLIENT, "10.0.0.4", 65516, "tcp"): f"{POD}<itself",
    }
    assert outcomes(lab, asked) == asked


def test_allow_from(lab: Lab) -> None:
    asked = {
        (STRANGER, "198.19.10.7", 80, "tcp"): f"{POD}<gateway",
        (STRANGER, "203.0.113.17", 80, "tcp"): "timeout",
        (STRANGER, "10.0.0.4", 65517, "tcp"): "timeout",
        (CLIENT, "203.0.113.17", 80, "tcp"): f"{POD}<gateway",
        (CLIENT, "10.0.0.4", 65517, "tcp"): f"{POD}<gateway",
        (NODE, "203.0.113.17", 80, "tcp"): f"{POD}<gateway",  # its own address is allowed
        (NODE, "10.0.0.4", 65517, "tcp"): f"{POD}<gateway",
        (POD, "203.0.113.17", 80, "tcp"): "timeout",
        (STRANGER, "203.0.113.18", 80, "tcp"): f"{POD}<gateway",
        (STRANGER, "2001:db8:7::18", 80, "tcp"): f"{POD6}<gateway",
    }
    assert outcomes(lab, asked) == asked


def test_port_ranges_shift(lab: Lab) -> None:
    ports = [
        (lab.connect(CLIENT, address, port, "udp"))
        for address, first in (("198.19.10.9", 5000), ("fd00:19::9", 5000), ("10.0.0.4", 65520), ("fd00:10::4", 65520))
        for port in range(first, first + 4)
    ]
    assert [r.port if isinstance(r, Reply) else r for r in ports] == [6000, 6001, 6002, 6003] * 4
    assert lab.connect(CLIENT, "198.19.10.9", 5004, "udp") is NoReply.REFUSED


def test_sctp(lab: Lab) -> None:
    asked = {
        (CLIENT, "198.19.10.20", 9000, "sctp"): f"{POD}<gateway",
        (NODE, "198.19.10.20", 9000, "sctp"): f"{POD}<gateway",
        (OTHER, "198.19.10.20", 9000, "sctp"): f"{POD}<itself",
        (POD, "198.19.10.20", 9000, "sctp"): f"{POD}<gateway",
        (CLIENT, "10.0.0.4", 65530, "sctp"): f"{POD}<gateway",
        (CLIENT, "fd00:19::20", 9000, "sctp"): f"{POD6}<gateway",
    }
    assert outcomes(lab, asked) == asked


def test_an_endpoints_own_port(lab: Lab) -> None:
    result = lab.connect(CLIENT, "198.19.10.21", 80)
    assert isinstance(result, Reply)
    assert result.port == 9443


def test_an_endpoint_that_is_the_node(lab: Lab) -> None:
    asked = {
        (CLIENT, "198.19.10.22", 80, "tcp"): "10.0.0.4<itself",
        (POD, "198.19.10.22", 80, "tcp"): "10.0.0.4<itself",
        (NODE, "198.19.10.22", 80, "tcp"): "10.0.0.4<itself",
        (CLIENT, "fd00:19::22", 80, "tcp"): "fd00:10::4<itself",
        (NODE, "fd00:19::22", 80, "tcp"): "fd00:10::4<itself",
        (
            NODE,
            "10.0.0.4",
            8022,
            "tcp",
        ): "10.0.0.4<vip",  # not through a service: untouched, though it looks like hairpin
    }
    assert outcomes(lab, asked) == asked


def test_icmp_errors_to_a_vip_reach_the_endpoint(lab: Lab) -> None:
    def heard() -> int:
        names, values = [
            line.split() for line in lab.run(POD, ["cat", "/proc/net/snmp"]).stdout.splitlines() if line[:5] == "Icmp:"
        ]
        return int(values[names.index("InDestUnreachs")])

    before = heard()
    refuse = "INPUT -p udp --sport 53 -j REJECT"  # as if nobody were there any more when the answer comes
    lab.run(CLIENT, ["iptables", "-A", *refuse.split()], check=True)
    assert lab.connect(CLIENT, "203.0.113.4", 53, "udp", timeout=1) is NoReply.TIMEOUT
    lab.run(CLIENT, ["iptables", "-D", *refuse.split()], check=True)
    assert heard() == before + 1

"""The preparation of a node in the tracer: devices, addresses, settings and modules, and where packets are routed."""

from __future__ import annotations

import pytest

from support.trace_nodes import ends, node, table
from svcc.verify.packet import Vantage
from svcc.verify.trace import LoadError, TraceError, UnknownRule

_DEVICE = "link add svcc0 type dummy\nlink set svcc0 up\n"
_INPUT = table("filter", "-A INPUT -j DROP")


def test_the_addresses_of_a_device_are_the_nodes_own() -> None:
    text = _DEVICE + "address replace 198.19.0.1/32 dev svcc0\naddress add 198.19.0.2/32 dev svcc0\n"
    kernel = node(ip=text, iptables=_INPUT)
    found = [ends(kernel, f"198.19.0.{n}:80/tcp") for n in (1, 2, 3)]
    assert found == [{"drop": 1}, {"drop": 1}, {"untouched": 1}]


def test_a_network_behind_a_dummy_device_is_lost() -> None:
    kernel = node(ip=_DEVICE + "address add 198.19.0.1/24 dev svcc0\n")
    assert ends(kernel, "198.19.0.7:80/tcp") == {"drop": 1}
    assert ends(kernel, "198.19.1.7:80/tcp") == {"untouched": 1}


def test_loopback_is_local() -> None:
    assert ends(node(iptables=_INPUT), "127.1.2.3:80/tcp", "127.0.0.1", Vantage.NODE) == {"drop": 1}
    assert ends(node(ip6tables=_INPUT), "[::1]:80/tcp", "::1", Vantage.NODE) == {"drop": 1}


def test_without_forwarding_translated_packets_are_lost_and_others_are_nobodys_business() -> None:
    rules = table("nat", "-A PREROUTING -d 198.19.0.1 -j DNAT --to-destination 100.64.0.1")
    for setting, end in (("0", "drop"), ("1", "100.64.0.1:80")):
        kernel = node(sysctl=f"net.ipv4.ip_forward = {setting}\n", iptables=rules)
        assert ends(kernel, "198.19.0.1:80/tcp") == {end: 1}
        assert ends(kernel, "198.19.0.2:80/tcp") == {"untouched": 1}
    assert ends(node(iptables=rules), "198.19.0.1:80/tcp") == {"100.64.0.1:80": 1}  # nothing is said of it: it is on


@pytest.mark.parametrize(
    ("part", "text", "error", "message"),
    [
        ("ip", "link add svcc0 type bridge\n", UnknownRule, "`link add svcc0 type bridge` is not known here"),
        ("ip", "link del svcc0\n", UnknownRule, "`link del` is not known here"),
        ("ip", _DEVICE + "link set svcc0 down\n", UnknownRule, "`down` is not known here"),
        ("ip", "link set svcc0 up\n", LoadError, "there is no device svcc0"),
        ("ip", f"link add {'x' * 16} type dummy\n", LoadError, f"{'x' * 16} has more than 15 characters"),
        ("ip", _DEVICE + "link add svcc0 type dummy\n", LoadError, "the device svcc0 is there already"),
        ("ip", _DEVICE + "address add 10.0.0.4/32 dev svcc0\n", LoadError, "10.0.0.4 is there already"),
        ("ip", _DEVICE + "address add x dev svcc0\n", LoadError, "`x` cannot stand here"),
        (
            "ip",
            _DEVICE + "address add 198.19.0.1/32 dev svcc0 scope link\n",
            UnknownRule,
            "`link` is not known here",
        ),
        ("sysctl", "# why\nnet.ipv4.ip_forward = 2\n", UnknownRule, "`net.ipv4.ip_forward = 2` is not known here"),
        ("sysctl", "kernel.panic = 1\n", UnknownRule, "`kernel.panic = 1` is not known here"),
        ("modules", "dummy\nip_vs_best\n", UnknownRule, "`ip_vs_best` is not known here"),
        ("rules", "x\n", UnknownRule, "nothing here reads this part"),
    ],
)
def test_what_is_refused(part: str, text: str, error: type[TraceError], message: str) -> None:
    with pytest.raises(error) as refused:
        node(**{part: text})
    assert refused.value.message.startswith(message)
    assert refused.value.place.line == text.count("\n")

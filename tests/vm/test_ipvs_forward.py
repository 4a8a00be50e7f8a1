"""The ipvs target on a kernel that has IPVS: ways to the endpoint other than through address translation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.ipvs_kernel import served
from svcc.verify.lab import CLIENT, NODE, STRANGER, Lab, Reply, Result

pytestmark = [pytest.mark.vm(oldest=True), pytest.mark.kernel]

TEXT = """
cluster { prefix T; pods 100.64.0.0/24 fd00:64::/64 }
node node-a { address 10.0.0.4 fd00:10::4 }
service direct { vip 198.19.10.1 fd00:19::1; external-ip 203.0.113.1; allow-from 192.0.2.0/24
                 port 80/tcp; forward direct; endpoints { 100.64.0.9; 100.64.0.19; fd00:64::9 } }
service tunnel { vip 198.19.10.2; port 80/tcp; forward tunnel; endpoints { 100.64.0.29 } }
service none   { vip 198.19.10.3; port 80/tcp; forward direct; endpoints { } }
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with served(TEXT) as made:
        device = "modprobe ipip; ip address add 100.64.0.29/32 dev tunl0; ip link set tunl0 up"
        assert made.run("100.64.0.29", ["sh", "-c", device]).stderr == ""
        yield made


def told(result: Result) -> str:
    return f"{result.name}<{result.source}" if isinstance(result, Reply) else result.value


def test_direct(lab: Lab) -> None:
    results = lab.connect_many(CLIENT, "198.19.10.1", 80, count=2)
    assert sorted(map(told, results)) == ["100.64.0.19<192.0.2.10", "100.64.0.9<192.0.2.10"]
    assert told(lab.connect(CLIENT, "fd00:19::1", 80)) == "fd00:64::9<2001:db8:100::10"
    assert told(lab.connect(CLIENT, "203.0.113.1", 80)).endswith("<192.0.2.10")
    assert told(lab.connect(STRANGER, "203.0.113.1", 80, timeout=1)) == "timeout"
    assert told(lab.connect(CLIENT, "198.19.10.3", 80)) == "refused"


def test_tunnel(lab: Lab) -> None:
    assert told(lab.connect(CLIENT, "198.19.10.2", 80)) == "100.64.0.29<192.0.2.10"
    assert told(lab.connect("100.64.0.9", "198.19.10.2", 80)) == "100.64.0.29<100.64.0.9"


def test_the_node_says_of_no_vip_that_it_is_its_own(lab: Lab) -> None:
    """arp_ignore: an ARP request on the uplink for a vip gets no answer, one for the node's address does."""
    for address, found in (("198.19.10.1", False), ("10.0.0.4", True)):
        lab.run(CLIENT, ["ip", "route", "add", address, "dev", "eth0"])
        lab.connect(CLIENT, address, 9, timeout=0.5)
        shown = lab.run(CLIENT, ["ip", "neighbour", "show", "to", address]).stdout
        assert ("lladdr" in shown) is found, shown
        lab.run(CLIENT, ["ip", "route", "del", address, "dev", "eth0"])


@pytest.mark.parametrize("bridge_netfilter", [False, True])
def test_pods_on_one_bridge(bridge_netfilter: bool) -> None:
    """Pods that share a subnet answer each other over the bridge, past IPVS, unless br_netfilter shows it them."""
    text = (
        "cluster { prefix T; pods 100.64.0.0/24 }\n"
        "service s { vip 198.19.10.1; port 80/tcp; endpoints { 100.64.0.9; 100.64.0.19 } }\n"
    )
    with served(text, bridge_netfilter=bridge_netfilter) as made:
        for pod in ("100.64.0.9", "100.64.0.19"):
            made.run(pod, ["ip", "route", "add", "100.64.0.0/24", "dev", "eth0"], check=True)
        results = made.connect_many("100.64.0.9", "198.19.10.1", 80, count=2, timeout=1, at_once=1)
        gateway = next(a for a in made.gateways if a.version == 4)
        assert sorted(map(told, results)) == sorted(
            [f"100.64.0.9<{gateway}", "100.64.0.19<100.64.0.9" if bridge_netfilter else "timeout"]
        )
        assert told(made.connect(NODE, "198.19.10.1", 80)).endswith(f"<{gateway}")

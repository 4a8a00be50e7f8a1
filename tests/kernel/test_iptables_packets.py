"""Real packets through the iptables target's rules, loaded by either variant of iptables-restore."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest

from support.affinity import kept_beyond
from support.iptables_kernel import FAMILIES, VARIANTS, lab, script
from svcc.compiler import ir
from svcc.verify.lab import CLIENT, NODE, STRANGER, Attempt, Lab, NoReply, Reply, Result

pytestmark = pytest.mark.kernel

A, B, A6, B6 = "100.64.0.9", "100.64.0.19", "fd00:64::9", "fd00:64::19"
ADDRESSES = {4: (A, B), 6: (A6, B6)}

#: One service of each shape that treats packets differently. More than sixteen addresses, so that there is a tree.
EVERYTHING = """
cluster { prefix CUSTOM; pods 100.64.0.0/24 fd00:64::/64; nodeports 65500-65535 }
node node-a { address 10.0.0.4 172.31.0.4 fd00:10::4 }
node node-b { address 10.0.0.5 fd00:10::5 }
endpoints both { 100.64.0.9; 100.64.0.19; fd00:64::9; fd00:64::19 }
endpoints one { 100.64.0.9; fd00:64::9 }
endpoints none { 100.64.0.29 draining; fd00:64::29 draining }

service rr     { vip 198.19.10.0 fd00:19::10; external-ip 203.0.113.7 2001:db8:7::7; scheduler rr
                 port 8080/tcp nodeport 65512; endpoints both }
service random { vip 198.19.10.1 fd00:19::11; port tcp 80/tcp; port udp 53/udp; endpoints both }
service wrr    { vip 198.19.10.2 fd00:19::12; port 80/tcp; scheduler wrr
                 endpoints { 100.64.0.9 weight 6; 100.64.0.19 weight 2; fd00:64::9 weight 6; fd00:64::19 weight 2 } }
service sh     { vip 198.19.10.3; port 80/tcp; scheduler sh
                 endpoints { 100.64.0.9; 100.64.0.19; 100.64.0.39 weight 2 } }
service one    { vip 198.19.10.4 fd00:19::14; port 80/tcp -> 8080; endpoints one }
service sticks { vip 198.19.10.5 fd00:19::15; port 80/tcp; affinity client-ip 20m; scheduler rr; endpoints both }
service brief  { vip 198.19.10.6 fd00:19::16; port 80/tcp; affinity client-ip 2s; scheduler rr; endpoints both }
service keeps  { vip 198.19.10.7 fd00:19::17; external-ip 203.0.113.8; port 80/tcp nodeport 65513
                 masquerade never; endpoints one }
service hides  { vip 198.19.10.8 fd00:19::18; port 80/tcp; masquerade always; endpoints one }
service local  { vip 198.19.10.9 fd00:19::19; external-ip 203.0.113.9; port 80/tcp nodeport 65514
                 traffic external local
                 endpoints { 100.64.0.9 on node-a; 100.64.0.19; fd00:64::9 on node-a; fd00:64::19 } }
service away   { vip 198.19.10.20 fd00:19::20; external-ip 203.0.113.10; port 80/tcp nodeport 65515
                 traffic external local; traffic internal local; endpoints { 100.64.0.9 on node-b } }
service some   { vip 198.19.10.21 fd00:19::21; external-ip 203.0.113.11; port 80/tcp nodeport 65516
                 allow-from 192.0.2.0/24 2001:db8:2::/64; endpoints one }
service media  { vip 198.19.10.22 fd00:19::22; port same 5000-5003/udp; port moved 6000-6003/udp -> 7000
                 port taken 7000-7003/tcp nodeport 65520-65523; endpoints one }
service empty  { vip 198.19.10.23 fd00:19::23; port tcp 80/tcp nodeport 65517; port udp 80/udp; endpoints none }
service silent { vip 198.19.10.24 fd00:19::24; port tcp 80/tcp nodeport 65518; port udp 80/udp; when-empty drop
                 endpoints none }
service closed { external-ip 203.0.113.12 2001:db8:7::12; port 80/tcp nodeport 65519; endpoints none
                 allow-from 192.0.2.0/24 2001:db8:2::/64 }
service host   { vip 198.19.10.25 fd00:19::25; port 80/tcp -> 8022; endpoints { 10.0.0.4; fd00:10::4 } }
service stream { vip 198.19.10.26 fd00:19::26; port 9000/sctp; endpoints one }
"""

REFUSED, TIMEOUT = NoReply.REFUSED, NoReply.TIMEOUT
both_families = pytest.mark.parametrize("version", [4, 6])


#: A client with many addresses.
CROWD = "crowd"
CROWD_ADDRESSES = tuple(ip_address("198.51.100.1") + n for n in range(40))


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def up(variant: str) -> Iterator[Lab]:
    with lab(EVERYTHING, variant, clients={CROWD: CROWD_ADDRESSES}) as made:
        yield made


def vip(service: str, version: int, kind: str = "vip") -> str:
    """The service's vip (or external-ip) of one family."""
    body = EVERYTHING.partition(f"service {service} ")[2].partition("endpoints")[0]
    words = body.partition(f"{kind} ")[2].partition(";")[0].split("\n")[0].split()
    return next(word for word in words if ip_address(word).version == version)


def source(lab: Lab, where: str, version: int) -> ir.Address:
    return next(a for a in lab.addresses(where) if a.version == version)


def gateway(lab: Lab, version: int) -> ir.Address:
    """What a pod sees of a masqueraded client."""
    return next(a for a in lab.gateways if a.version == version)


def answer(result: Result) -> Reply:
    assert isinstance(result, Reply), result
    return result


def names(results: list[Result]) -> list[str]:
    return [answer(result).name for result in results]


def one_by_one(lab: Lab, where: str, address: str, port: int, count: int) -> list[str]:
    return names([lab.connect(where, address, port) for _ in range(count)])


# -- the choice -------------------------------------------------------------------------------------------------------


@both_families
@pytest.mark.parametrize("where", [CLIENT, NODE, B])
def test_rr_takes_exact_turns(up: Lab, version: int, where: str) -> None:
    first, second = ADDRESSES[version]
    found = one_by_one(up, where if version == 4 or where != B else B6, vip("rr", version), 8080, 8)
    assert found in ([first, second] * 4, [second, first] * 4)


@both_families
def test_rr_through_an_external_ip_and_a_node_port_are_the_same_turns(up: Lab, version: int) -> None:
    places = [
        (vip("rr", version), 8080),
        (vip("rr", version, "external-ip"), 8080),
        (str(source(up, NODE, version)), 65512),
    ]
    found = names([up.connect(CLIENT, *places[n % 3]) for n in range(6)])
    assert found in (list(ADDRESSES[version]) * 3, list(ADDRESSES[version])[::-1] * 3)


@both_families
def test_wrr_spreads_its_turns(up: Lab, version: int) -> None:
    first, second = ADDRESSES[version]
    found = one_by_one(up, CLIENT, vip("wrr", version), 80, 12)
    turns = [first, first, second, first]
    assert found in [(turns[n:] + turns[:n]) * 3 for n in range(4)]


@both_families
@pytest.mark.parametrize(("port", "protocol"), [(80, "tcp"), (53, "udp")])
def test_random_reaches_everybody(up: Lab, version: int, port: int, protocol: str) -> None:
    found = Counter(names(up.connect_many(CLIENT, vip("random", version), port, protocol, 200)))
    assert set(found) == set(ADDRESSES[version])
    assert min(found.values()) > 60  # of 200, 100 are expected; less than 60 once in 10 ** 8 runs


def test_sh_leads_a_client_to_one_endpoint_and_clients_to_several(up: Lab) -> None:
    probes = [Attempt(CROWD, vip("sh", 4), 80, source=client) for client in CROWD_ADDRESSES]
    once, again = names(up.connect_all(probes)), names(up.connect_all(probes))
    assert once == again
    assert set(once) == {A, B, "100.64.0.39"}


@both_families
def test_affinity_keeps_a_client_where_it_was(up: Lab, version: int) -> None:
    assert len(set(one_by_one(up, CLIENT, vip("sticks", version), 80, 6))) == 1
    assert len(set(one_by_one(up, STRANGER, vip("sticks", version), 80, 6))) == 1


@both_families
def test_affinity_ends_when_its_time_is_over(up: Lab, version: int) -> None:
    """Under rr the next fresh choice is another endpoint; a new connection starts the time again."""

    def connect() -> str:
        return answer(up.connect(CLIENT, vip("brief", version), 80)).name

    kept = kept_beyond(2, connect)
    time.sleep(2.5)
    assert connect() != kept


# -- whose source is rewritten ----------------------------------------------------------------------------------------


@both_families
def test_sources(up: Lab, version: int) -> None:
    """Who sees whom: by service, and from where the client comes."""
    client, pod = source(up, CLIENT, version), ip_address(ADDRESSES[version][1])
    hidden = gateway(up, version)
    node_port = str(source(up, NODE, version))
    expected = [
        (Attempt(CLIENT, vip("one", version), 80), hidden),
        (Attempt(pod, vip("one", version), 80), pod),
        (Attempt(CLIENT, vip("keeps", version), 80), client),
        (Attempt(CLIENT, node_port, 65513), client),
        (Attempt(CLIENT, vip("hides", version), 80), hidden),
        (Attempt(pod, vip("hides", version), 80), hidden),
        (Attempt(CLIENT, vip("local", version), 80), hidden),
        (Attempt(CLIENT, node_port, 65514), client),
        (Attempt(CLIENT, node_port, 65512), hidden),
        (Attempt(pod, node_port, 65512), hidden),
    ]
    found = up.connect_all([probe for probe, _ in expected])
    assert [answer(result).source for result in found] == [seen for _, seen in expected]


@both_families
@pytest.mark.parametrize("service", ["one", "keeps", "hides"])
def test_a_pod_reaches_itself(up: Lab, version: int, service: str) -> None:
    pod = ADDRESSES[version][0]
    found = answer(up.connect(pod, vip(service, version), 80))
    assert (found.name, found.source) == (pod, gateway(up, version))


@both_families
@pytest.mark.parametrize("where", [NODE, CLIENT])
def test_an_endpoint_on_the_node_itself(up: Lab, version: int, where: str) -> None:
    own = source(up, NODE, version)
    found = answer(up.connect(where, vip("host", version), 80))
    assert (found.name, found.port) == (str(own), 8022)
    assert found.source == (own if where == NODE else source(up, CLIENT, version))


# -- ports ------------------------------------------------------------------------------------------------------------


@both_families
def test_ranges(up: Lab, version: int) -> None:
    address, own = vip("media", version), str(source(up, NODE, version))
    probes = [Attempt(CLIENT, address, 5000 + n, "udp") for n in (0, 3)]
    probes += [Attempt(CLIENT, address, 6000 + n, "udp") for n in (0, 1, 3)]
    probes += [Attempt(CLIENT, own, 65520 + n) for n in (0, 3)]
    assert [answer(found).port for found in up.connect_all(probes)] == [5000, 5003, 7000, 7001, 7003, 7000, 7003]


@both_families
def test_sctp(up: Lab, version: int) -> None:
    if ir.Protocol.SCTP not in up.protocols:
        found = up.run(NODE, [f"{FAMILIES[version]}-save"], check=True)
        assert found.returncode == 0  # the rules are there; this kernel has nobody to talk to
        return
    assert names([up.connect(CLIENT, vip("stream", version), 9000, "sctp")]) == [ADDRESSES[version][0]]


# -- what is not served -----------------------------------------------------------------------------------------------


@both_families
@pytest.mark.parametrize("where", [CLIENT, NODE, A])
def test_refusals(up: Lab, version: int, where: str) -> None:
    pod = where if version == 4 or where != A else A6
    own = str(source(up, NODE, version))
    expected = [
        (Attempt(pod, vip("one", version), 81), REFUSED),
        (Attempt(pod, vip("one", version), 80, "udp"), REFUSED),
        (Attempt(pod, vip("one", version), 22), REFUSED),
        (Attempt(pod, vip("one", version), 65512), REFUSED),
        (Attempt(pod, vip("rr", version, "external-ip"), 65512), REFUSED),
        (Attempt(pod, vip("empty", version), 80), REFUSED),
        (Attempt(pod, vip("empty", version), 80, "udp"), REFUSED),
        (Attempt(pod, vip("silent", version), 80), TIMEOUT),
        (Attempt(pod, vip("silent", version), 80, "udp"), TIMEOUT),
        (Attempt(pod, vip("silent", version), 81), REFUSED),
        (Attempt(pod, vip("away", version), 80), REFUSED),
        (Attempt(pod, own, 65517), REFUSED),
        (Attempt(pod, own, 65518), TIMEOUT),
        (Attempt(pod, vip("closed", version, "external-ip"), 81), REFUSED),
    ]
    found = up.connect_all([probe for probe, _ in expected])
    assert list(zip([p for p, _ in expected], found, strict=True)) == expected


@both_families
def test_allow_from(up: Lab, version: int) -> None:
    """The client is inside the first network of ``allow-from``, the stranger is not. Vips are open to all."""
    own = str(source(up, NODE, version))
    pod = ADDRESSES[version][0]
    allowed = ip_network("192.0.2.0/24" if version == 4 else "2001:db8:2::/64")
    assert source(up, CLIENT, version) in allowed
    probes = [Attempt(who, own, port) for port in (65516, 65519) for who in (CLIENT, STRANGER)]
    probes += [
        Attempt(STRANGER, vip("some", version), 80),
        Attempt(STRANGER, vip("closed", version, "external-ip"), 80),
    ]
    served, kept_out, refused, dropped, through_vip, empty = up.connect_all(probes)
    assert names([served, through_vip]) == [pod, pod]
    assert (kept_out, refused, dropped, empty) == (TIMEOUT, REFUSED, TIMEOUT, TIMEOUT)


def test_loopback_has_no_node_ports(up: Lab) -> None:
    results = up.connect_all([Attempt(NODE, "127.0.0.1", 65512), Attempt(NODE, "::1", 65512)])
    assert results == [REFUSED, REFUSED]  # by nobody listening


def test_every_address_of_the_node_has_them(up: Lab) -> None:
    assert answer(up.connect(CLIENT, "172.31.0.4", 65512)).name in (A, B)


def test_a_local_external_ip_still_has_no_node_ports(up: Lab) -> None:
    """Even where the node holds the address itself, nothing but the declared port is there."""
    address = vip("rr", 4, "external-ip")
    up.run(NODE, ["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    try:
        found = up.connect_all([Attempt(CLIENT, address, port) for port in (8080, 65512, 22)])
    finally:
        up.run(NODE, ["ip", "address", "del", f"{address}/32", "dev", "lo"], check=True)
    assert answer(found[0]).name in (A, B)
    assert found[1:] == [REFUSED, REFUSED]


# -- everything else --------------------------------------------------------------------------------------------------


@both_families
def test_other_traffic_is_untouched(up: Lab, version: int) -> None:
    pod, other = ADDRESSES[version]
    probes = [Attempt(CLIENT, pod, 8080), Attempt(other, pod, 8080), Attempt(NODE, pod, 8080)]
    seen = [source(up, CLIENT, version), ip_address(other), gateway(up, version)]
    assert [answer(found).source for found in up.connect_all(probes)] == seen


def test_the_mark_is_gone_behind_our_rules(up: Lab, variant: str) -> None:
    """Before them it is there: mangle sees the first packet of each connection with it. Behind them nat does not."""
    watch = ["POSTROUTING", "-m", "mark", "!", "--mark", "0", "-m", "comment", "--comment", "watch"]
    tool = f"iptables-{variant}"
    for table in ("mangle", "nat"):
        up.run(NODE, [tool, "-t", table, "-A", *watch], check=True)
    names([up.connect(CLIENT, vip("hides", 4), 80) for _ in range(2)])
    saved = up.run(NODE, [f"{tool}-save", "-c"], check=True).stdout
    assert re.findall(r"\[(\d+):\d+\] .*watch", saved) == ["2", "0"]


#: Answers each connection with who it is and whom it sees, as the lab's servers do.
SERVER = """
import socket
server = socket.create_server(("127.0.0.1", 8181))
print(flush=True)
while True:
    connection, (host, port) = server.accept()
    connection.sendall(f"redirected 8181 {host} {port}\\n".encode())
    connection.close()
"""


def test_a_loopback_redirect_of_others_keeps_its_source(up: Lab, variant: str) -> None:
    """It looks like a hairpin: source and destination are the same, and the destination was rewritten."""
    tool = f"iptables-{variant}"
    rule = ["OUTPUT", "-d", "127.0.0.1", "-p", "tcp", "--dport", "81", "-j", "REDIRECT", "--to-ports", "8181"]
    process = up.start(NODE, [sys.executable, "-c", SERVER])
    assert process.stdout is not None
    process.stdout.readline()
    up.run(NODE, [tool, "-t", "nat", "-A", *rule], check=True)
    try:
        assert answer(up.connect(NODE, "127.0.0.1", 81)).source == ip_address("127.0.0.1")
    finally:
        up.run(NODE, [tool, "-t", "nat", "-D", *rule], check=True)
        process.kill()
        process.communicate()


# -- loading again ----------------------------------------------------------------------------------------------------


@both_families
def test_loading_again_keeps_affinity(up: Lab, variant: str, version: int) -> None:
    before = answer(up.connect(CLIENT, vip("sticks", version), 80)).name
    for _ in range(3):
        text = "\n".join(line for line in script(EVERYTHING, version).splitlines() if not line.startswith("-I")) + "\n"
        up.run(NODE, [f"{FAMILIES[version]}-{variant}-restore", "--noflush"], input=text, check=True)
        assert one_by_one(up, CLIENT, vip("sticks", version), 80, 2) == [before] * 2

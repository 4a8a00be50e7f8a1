"""The iptables target's scripts: whole chains for small programs."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.iptables_kernel import TARGET, chain, script
from support.references import dangling
from svcc.compiler import ir
from svcc.targets.iptables.choice import interleaved

SEED = """
cluster { prefix CUSTOM; pods 100.64.0.0/24; nodeports 65500-65535 }
service service-1 { vip 198.19.10.0; port 8080/tcp nodeport 65512; endpoints { 100.64.0.9; 100.64.0.19 } }
service service-2 { vip 198.19.20.0; port 8080/tcp nodeport 65513; endpoints { 100.64.0.10; 100.64.0.20 } }
"""


SEED_SCRIPT = """\
*nat
:CUSTOM-MARK - [0:0]
:CUSTOM-OUTSIDE - [0:0]
:CUSTOM-MASQUERADE - [0:0]
:CUSTOM-POSTROUTING - [0:0]
:CUSTOM-SVC-service-2 - [0:0]
:CUSTOM-SVC-service-1 - [0:0]
:CUSTOM-EXT-service-2 - [0:0]
:CUSTOM-EXT-service-1 - [0:0]
:CUSTOM-NODEPORTS - [0:0]
:CUSTOM-SERVICES - [0:0]
-A CUSTOM-MARK -j MARK --set-xmark 0x4000/0x4000
-A CUSTOM-OUTSIDE -s 100.64.0.0/24 -j RETURN
-A CUSTOM-OUTSIDE -j MARK --set-xmark 0x4000/0x4000
-A CUSTOM-MASQUERADE -j MARK --set-xmark 0x0/0x4000
-A CUSTOM-MASQUERADE ! -o lo -j MASQUERADE --random-fully
-A CUSTOM-POSTROUTING -m mark --mark 0x4000/0x4000 -m conntrack --ctstate DNAT -j CUSTOM-MASQUERADE
-A CUSTOM-POSTROUTING ! -o lo -m conntrack --ctstate DNAT -m bpf --bytecode \
"6,32 0 0 12,7 0 0 0,32 0 0 16,29 0 1 0,6 0 0 65535,6 0 0 0" -j MASQUERADE --random-fully
-A CUSTOM-SVC-service-2 -j CUSTOM-OUTSIDE
-A CUSTOM-SVC-service-2 -p tcp -m statistic --mode random --probability 0.50000000000 \
-j DNAT --to-destination 100.64.0.20:8080
-A CUSTOM-SVC-service-2 -p tcp -j DNAT --to-destination 100.64.0.10:8080
-A CUSTOM-SVC-service-1 -j CUSTOM-OUTSIDE
-A CUSTOM-SVC-service-1 -p tcp -m statistic --mode random --probability 0.50000000000 \
-j DNAT --to-destination 100.64.0.19:8080
-A CUSTOM-SVC-service-1 -p tcp -j DNAT --to-destination 100.64.0.9:8080
-A CUSTOM-EXT-service-2 -j CUSTOM-MARK
-A CUSTOM-EXT-service-2 -g CUSTOM-SVC-service-2
-A CUSTOM-EXT-service-1 -j CUSTOM-MARK
-A CUSTOM-EXT-service-1 -g CUSTOM-SVC-service-1
-A CUSTOM-NODEPORTS -p tcp -m tcp --dport 65512 -g CUSTOM-EXT-service-1
-A CUSTOM-NODEPORTS -p tcp -m tcp --dport 65513 -g CUSTOM-EXT-service-2
-A CUSTOM-SERVICES -d 198.19.10.0/32 -p tcp -m tcp --dport 8080 -g CUSTOM-SVC-service-1
-A CUSTOM-SERVICES -d 198.19.20.0/32 -p tcp -m tcp --dport 8080 -g CUSTOM-SVC-service-2
-A CUSTOM-SERVICES -d 198.19.10.0/32 -j RETURN
-A CUSTOM-SERVICES -d 198.19.20.0/32 -j RETURN
-A CUSTOM-SERVICES ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -g CUSTOM-NODEPORTS
-I PREROUTING -m comment --comment "CUSTOM services" -j CUSTOM-SERVICES
-I OUTPUT -m comment --comment "CUSTOM services" -j CUSTOM-SERVICES
-I POSTROUTING -m comment --comment "CUSTOM services" -j CUSTOM-POSTROUTING
COMMIT
*filter
:CUSTOM-REJECT - [0:0]
:CUSTOM-ENDPOINTS - [0:0]
:CUSTOM-INVALID - [0:0]
:CUSTOM-UNSERVED - [0:0]
-A CUSTOM-REJECT -p tcp -m conntrack --ctstate INVALID -j DROP
-A CUSTOM-REJECT -p tcp -j REJECT --reject-with tcp-reset
-A CUSTOM-REJECT -p udp -j REJECT --reject-with icmp-port-unreachable
-A CUSTOM-REJECT -p sctp -j REJECT --reject-with icmp-port-unreachable
-A CUSTOM-ENDPOINTS -p tcp -m tcp --sport 8080 -j DROP
-A CUSTOM-INVALID -s 100.64.0.0/24 -j CUSTOM-ENDPOINTS
-A CUSTOM-INVALID ! -d 127.0.0.0/8 -p tcp -m tcp --dport 65500:65535 -m addrtype --dst-type LOCAL -j DROP
-A CUSTOM-UNSERVED -m conntrack --ctstate DNAT -j RETURN
-A CUSTOM-UNSERVED -p tcp -m tcp --tcp-flags SYN,RST NONE -m conntrack --ctstate INVALID -j CUSTOM-INVALID
-A CUSTOM-UNSERVED -d 198.19.10.0/32 -g CUSTOM-REJECT
-A CUSTOM-UNSERVED -d 198.19.20.0/32 -g CUSTOM-REJECT
-I INPUT -m conntrack --ctstate INVALID,NEW -m comment --comment "CUSTOM services" -j CUSTOM-UNSERVED
-I FORWARD -m conntrack --ctstate INVALID,NEW -m comment --comment "CUSTOM services" -j CUSTOM-UNSERVED
-I OUTPUT -m conntrack --ctstate INVALID,NEW -m comment --comment "CUSTOM services" -j CUSTOM-UNSERVED
COMMIT
"""


def test_two_services_with_two_pods_each() -> None:
    assert script(SEED) == SEED_SCRIPT


def test_a_family_without_frontends_is_empty() -> None:
    assert script(SEED, 6) == ""


def test_no_services_no_script() -> None:
    assert {a.part.name: a.text for a in TARGET.render(ir.Program(), None).artifacts if a.text} == {}


# -- the choice -------------------------------------------------------------------------------------------------------


def service(
    settings: str, endpoints: str = "100.64.0.9; 100.64.0.19; 100.64.0.29", port: str = "80/tcp -> 8080"
) -> str:
    return f"service web {{ vip 198.19.10.0; port {port}; {settings}; endpoints {{ {endpoints} }} }}\n"


DNAT = "-j DNAT --to-destination"
NTH = "-m statistic --mode nth --every"
RANDOM = "-m statistic --mode random --probability"
CLUSTER = "-m cluster --cluster-local-nodemask 0x00000001 --cluster-total-nodes"


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        (
            service("scheduler random", "100.64.0.9; 100.64.0.19 weight 2; 100.64.0.29 draining"),
            [f"-p tcp {RANDOM} 0.66666666651 {DNAT} 100.64.0.19:8080", f"-p tcp {DNAT} 100.64.0.9:8080"],
        ),
        (
            service("scheduler rr"),
            [
                f"-p tcp {NTH} 3 --packet 0 {DNAT} 100.64.0.29:8080",
                f"-p tcp {NTH} 2 --packet 0 {DNAT} 100.64.0.19:8080",
                f"-p tcp {DNAT} 100.64.0.9:8080",
            ],
        ),
        (
            service("scheduler wrr", "100.64.0.9 weight 20; 100.64.0.19 weight 10"),
            [
                f"-p tcp {NTH} 3 --packet 0 {DNAT} 100.64.0.9:8080",
                f"-p tcp {NTH} 2 --packet 0 {DNAT} 100.64.0.19:8080",
                f"-p tcp {DNAT} 100.64.0.9:8080",
            ],
        ),
        (
            service("scheduler sh", "100.64.0.9 weight 5; 100.64.0.19 weight 10"),
            [
                f"-p tcp {CLUSTER} 3 --cluster-hash-seed 0x00000003 {DNAT} 100.64.0.19:8080",
                f"-p tcp {CLUSTER} 2 --cluster-hash-seed 0x00000002 {DNAT} 100.64.0.19:8080",
                f"-p tcp {DNAT} 100.64.0.9:8080",
            ],
        ),
        (service("scheduler sh", "100.64.0.9"), [f"-p tcp {DNAT} 100.64.0.9:8080"]),
        (service("", "100.64.0.9:9443"), [f"-p tcp {DNAT} 100.64.0.9:9443"]),
        (service("", "100.64.0.9", "80/tcp"), [f"{DNAT} 100.64.0.9"]),
        (service("", "100.64.0.9", "80/tcp nodeport 30080"), [f"-p tcp {DNAT} 100.64.0.9:80"]),
        (
            service("", "100.64.0.9; 100.64.0.19:81", "80/tcp"),
            [f"-p tcp {RANDOM} 0.50000000000 {DNAT} 100.64.0.19:81", f"{DNAT} 100.64.0.9"],
        ),
        (service("", "100.64.0.9", "5000-5099/udp"), [f"{DNAT} 100.64.0.9"]),
        (service("", "100.64.0.9", "9000/sctp -> 9001"), [f"-p sctp {DNAT} 100.64.0.9:9001"]),
    ],
)
def test_choice(text: str, choice: list[str]) -> None:
    assert chain(script(text), "SVCC-SVC-web") == choice


@pytest.mark.parametrize(
    ("kind", "end", "mask"),
    [
        ("client-ip", "", "255.255.255.255"),
        ("client-ip/32/64", "", "255.255.255.255"),
        ("client-ip/24", "_24", "255.255.255.0"),
    ],
)
def test_affinity(kind: str, end: str, mask: str) -> None:
    """A client that is known goes where it went; one that is chosen for is put on the endpoint's list. Lists with
    different masks have different names, because the kernel gives a list the mask that it was made with."""
    again = f"-m recent --update --seconds 600 --reap --name SVCC-SVC-a:b-{{}}{end} --mask {mask} --rsource"
    put = f"-m recent --set --name SVCC-SVC-a:b-{{}}{end} --mask {mask} --rsource"
    text = service(f"affinity {kind} 10m", "100.64.0.9; 100.64.0.19").replace("web", "a/b")
    assert chain(script(text), "SVCC-SVC-a/b") == [
        f"-p tcp {again.format('100.64.0.19')} {DNAT} 100.64.0.19:8080",
        f"-p tcp {again.format('100.64.0.9')} {DNAT} 100.64.0.9:8080",
        f"-p tcp {RANDOM} 0.50000000000 {put.format('100.64.0.19')} {DNAT} 100.64.0.19:8080",
        f"-p tcp {put.format('100.64.0.9')} {DNAT} 100.64.0.9:8080",
    ]


@given(st.lists(st.integers(1, 65535), min_size=1, max_size=12))
def test_random_shares_are_the_weights(weights: list[int]) -> None:
    endpoints = "\n".join(f"100.64.0.{n} weight {weight}" for n, weight in enumerate(weights, start=1))
    rules = chain(script(service("scheduler random", endpoints)), "SVCC-SVC-web")
    left, shares = Fraction(1), []
    for rule in rules:
        found = re.search(r"--probability (\S+)", rule)
        chance = Fraction(found[1]) if found else Fraction(1)
        shares.append(left * chance)
        left *= 1 - chance
    assert left == 0
    for share, weight in zip(reversed(shares), weights, strict=True):
        assert abs(share - Fraction(weight, sum(weights))) <= len(weights) * Fraction(1, 1 << 31)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_turns_are_as_many_as_the_weights_and_spread_evenly(weights: list[int]) -> None:
    """After any number of turns nobody is a whole turn or more behind or ahead of its share."""
    order = interleaved(weights)
    assert [order.count(index) for index in range(len(weights))] == weights
    for turns in range(len(order) + 1):
        for index, weight in enumerate(weights):
            assert abs(order[:turns].count(index) - Fraction(turns * weight, sum(weights))) < max(1, len(weights) - 1)


# -- who may, and whose source is rewritten ---------------------------------------------------------------------------

OPEN = "vip 198.19.10.0; external-ip 203.0.113.7; port 80/tcp -> 8080 nodeport 30080"
CHOICE = f"-p tcp {DNAT} 100.64.0.9:8080"


def policies(settings: str, cluster: str = "pods 100.64.0.0/24") -> dict[str, list[str]]:
    """The chains of a service with a frontend of each kind."""
    text = (
        f"cluster {{ {cluster} }}\nnode n {{ address 10.0.0.4 }}\n"
        f"service web {{ {OPEN}; {settings}; endpoints {{ 100.64.0.9 on n }} }}"
    )
    made = script(text)
    assert dangling(made) == []
    kinds = ("SVC", "EXT", "SRC")
    return {kind: found for kind in kinds if (found := chain(made, f"SVCC-{kind}-web"))}


@pytest.mark.parametrize(
    ("settings", "cluster", "chains"),
    [
        ("", "prefix SVCC", {"SVC": [CHOICE], "EXT": ["-j SVCC-MARK", "-g SVCC-SVC-web"]}),
        (
            "",
            "pods 100.64.0.0/24",
            {"SVC": ["-j SVCC-OUTSIDE", CHOICE], "EXT": ["-j SVCC-MARK", "-g SVCC-SVC-web"]},
        ),
        ("masquerade always", "pods 100.64.0.0/24", {"SVC": ["-j SVCC-MARK", CHOICE]}),
        ("masquerade never", "pods 100.64.0.0/24", {"SVC": [CHOICE]}),
        ("traffic external local", "pods 100.64.0.0/24", {"SVC": ["-j SVCC-OUTSIDE", CHOICE], "EXT": [CHOICE]}),
        (
            "traffic external local; traffic internal local",
            "pods 100.64.0.0/24",
            {"SVC": ["-j SVCC-OUTSIDE", CHOICE], "EXT": [CHOICE]},
        ),
        ("traffic external local; traffic internal local", "prefix SVCC", {"SVC": [CHOICE]}),
        (
            "masquerade never; allow-from 10.0.0.0/8 192.0.2.0/24",
            "prefix SVCC",
            {
                "SVC": [CHOICE],
                "EXT": ["-j SVCC-SRC-web", "-g SVCC-SVC-web"],
                "SRC": ["-s 10.0.0.0/8 -j RETURN", "-s 192.0.2.0/24 -j RETURN", "-j ACCEPT"],
            },
        ),
    ],
)
def test_policies(settings: str, cluster: str, chains: dict[str, list[str]]) -> None:
    assert policies(settings, cluster) == chains


def test_several_pod_networks_are_listed_once() -> None:
    made = script("cluster { pods 100.64.0.0/24 100.65.0.0/24 fd00:64::/64 }\n" + service("masquerade auto"))
    bit = "MARK --set-xmark 0x4000/0x4000"
    assert chain(made, "SVCC-OUTSIDE") == ["-s 100.64.0.0/24 -j RETURN", "-s 100.65.0.0/24 -j RETURN", f"-j {bit}"]


@pytest.mark.parametrize(
    ("port", "endpoint", "first"),
    [("5000-5003/udp -> 6000", "100.64.0.9", 6000), ("5000-5003/udp", "100.64.0.9:7000", 7000)],
)
def test_a_shifted_range_has_a_chain_for_each_port(port: str, endpoint: str, first: int) -> None:
    """The kernel's own shift of a range takes a wrong port where the right one would make two connections alike."""
    made = script(service("", endpoint, port))
    for offset in range(4):
        assert chain(made, f"SVCC-SVC-web--{5000 + offset}") == [f"-p udp {DNAT} 100.64.0.9:{first + offset}"]


def test_a_range_of_node_ports_with_other_numbers_has_a_chain_for_each_port() -> None:
    made = script("service web { vip 198.19.10.0; port 5000-5001/udp nodeport 30000-30001; endpoints { 100.64.0.9 } }")
    assert chain(made, "SVCC-SVC-web--5001") == [f"-p udp {DNAT} 100.64.0.9:5001"]
    assert chain(made, "SVCC-EXT-web--5001") == ["-j SVCC-MARK", "-g SVCC-SVC-web--5001"]
    assert chain(made, "SVCC-NODEPORTS") == [
        "-p udp -m udp --dport 30000 -g SVCC-EXT-web--5000",
        "-p udp -m udp --dport 30001 -g SVCC-EXT-web--5001",
    ]


# -- what is not served -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "addresses", "node_ports", "sources"),
    [
        ("", [], ["-p tcp -m tcp --dport 30080 -g SVCC-REJECT"], []),
        (
            "when-empty drop",
            ["-d 203.0.113.7/32 -p tcp -m tcp --dport 80 -j DROP"],
            ["-p tcp -m tcp --dport 30080 -j DROP"],
            [],
        ),
        (
            "allow-from 10.0.0.0/8",
            ["-d 203.0.113.7/32 -p tcp -m tcp --dport 80 -g SVCC-SRC-web"],
            ["-p tcp -m tcp --dport 30080 -g SVCC-SRC-web"],
            ["-s 10.0.0.0/8 -g SVCC-REJECT", "-j DROP"],
        ),
        (
            "allow-from 2001:db8::/32",
            ["-d 203.0.113.7/32 -p tcp -m tcp --dport 80 -j DROP"],
            ["-p tcp -m tcp --dport 30080 -j DROP"],
            [],
        ),
    ],
)
def test_an_empty_service(settings: str, addresses: list[str], node_ports: list[str], sources: list[str]) -> None:
    made = script(f"service web {{ external-ip 203.0.113.7; port 80/tcp nodeport 30080; {settings}; endpoints {{ }} }}")
    assert dangling(made) == []
    assert chain(made, "SVCC-UNSERVED", "filter") == [
        "-m conntrack --ctstate DNAT -j RETURN",
        *addresses,
        "-d 203.0.113.7/32 -g SVCC-REJECT",
        "! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -g SVCC-NODEPORTS",
    ]
    assert chain(made, "SVCC-NODEPORTS", "filter") == node_ports
    assert chain(made, "SVCC-SRC-web", "filter") == sources
    assert "DNAT --to" not in made


def test_whom_allow_from_keeps_out_is_dropped() -> None:
    made = script(
        "service web { external-ip 203.0.113.7; port 80/tcp; allow-from 10.0.0.0/8; endpoints { 100.64.0.9 } }"
    )
    assert chain(made, "SVCC-UNSERVED", "filter")[2:] == [
        "-d 203.0.113.7/32 -p tcp -m tcp --dport 80 -j DROP",
        "-d 203.0.113.7/32 -g SVCC-REJECT",
    ]


def test_node_ports_that_are_all_served_need_no_rejection() -> None:
    assert "*filter" not in script("service dns { port 53/udp nodeport 30053; endpoints { 100.64.0.9 } }")
    assert "REJECT" not in script("service web { port 80/tcp nodeport 30080; endpoints { 100.64.0.9 } }")


def test_of_a_shared_address_declared_ports_alone_are_taken() -> None:
    made = script(
        "service web { external-ip 203.0.113.7 shared; port web 80/tcp; port dns 53/udp; allow-from 0.0.0.0/0\n"
        "endpoints { 100.64.0.9 } }\n"
        "service all { external-ip 203.0.113.8 shared; port web 80/tcp; port dns 53/udp; endpoints { 100.64.0.9 } }\n"
        "service none { external-ip 203.0.113.9 shared; port 80/tcp; endpoints { 100.64.0.9 draining } }"
    )
    assert chain(made, "SVCC-SERVICES") == [
        "-d 203.0.113.7/32 -p tcp -m tcp --dport 80 -g SVCC-EXT-web--web",
        "-d 203.0.113.7/32 -p udp -m udp --dport 53 -g SVCC-EXT-web--dns",
        "-d 203.0.113.8/32 -p tcp -m tcp --dport 80 -g SVCC-EXT-all--web",
        "-d 203.0.113.8/32 -p udp -m udp --dport 53 -g SVCC-EXT-all--dns",
        "-d 203.0.113.9/32 -p tcp -m tcp --dport 80 -j ACCEPT",
    ]
    assert chain(made, "SVCC-UNSERVED", "filter")[2:] == [
        "-d 203.0.113.7/32 -p tcp -m tcp --dport 80 -j DROP",
        "-d 203.0.113.7/32 -p udp -m udp --dport 53 -j DROP",
        "-d 203.0.113.8/32 -p tcp -m tcp --dport 80 -m conntrack --ctstate INVALID -j DROP",
        "-d 203.0.113.9/32 -p tcp -m tcp --dport 80 -g SVCC-REJECT",
    ]


def test_what_endpoints_send_from() -> None:
    """The pod networks, and those around endpoints elsewhere; each service's ports in a row are one range."""
    made = script(
        "cluster { pods 100.64.0.0/24 100.65.0.0/24 }\n"
        "service a { vip 198.19.0.1; port w 80/tcp -> 8080; port x 81/tcp -> 8081\n"
        "endpoints { 100.64.0.9; 10.1.2.3 } }\n"
        "service b { vip 198.19.0.2; port 80/tcp -> 8080; \n"
        "endpoints { 10.1.2.4; 10.1.3.4:9000; 10.1.3.5:9001 draining } }\n"
        "service c { vip 198.19.0.3; port 53/udp; endpoints { 10.9.9.9 } }"
    )
    assert chain(made, "SVCC-INVALID", "filter") == [
        f"-s {network} -j SVCC-ENDPOINTS"
        for network in ("100.64.0.0/24", "100.65.0.0/24", "10.1.2.0/24", "10.1.3.0/24")
    ]
    assert chain(made, "SVCC-ENDPOINTS", "filter") == [
        f"-p tcp -m tcp --sport {ports} -j DROP" for ports in ("8080", "8080:8081", "9000:9001")
    ]


def test_endpoints_in_many_networks_stand_in_few() -> None:
    lines = " ".join(f"10.{n}.0.9;" for n in range(40))
    made = script(f"service a {{ vip 198.19.0.1; port 80/tcp; endpoints {{ {lines} }} }}")
    networks = ("10.0.0.0/12", "10.16.0.0/12", "10.32.0.0/12")
    assert chain(made, "SVCC-INVALID", "filter") == [f"-s {network} -j SVCC-ENDPOINTS" for network in networks]


def test_node_port_addresses() -> None:
    made = script(
        "cluster { nodeport-addresses 10.0.0.0/8 127.0.0.0/16 }\n"
        "service web { port 80/tcp nodeport 30080; endpoints { 100.64.0.9 } }"
    )
    assert chain(made, "SVCC-SERVICES") == [
        "-d 10.0.0.0/8 -m addrtype --dst-type LOCAL -g SVCC-NODEPORTS",
        "-d 127.0.0.0/16 -m addrtype --dst-type LOCAL -g SVCC-NODEPORTS",
    ]
    assert chain(made, "SVCC-NODEPORTS") == [
        "-d 127.0.0.0/8 -j RETURN",
        "-p tcp -m tcp --dport 30080 -g SVCC-EXT-web",
    ]

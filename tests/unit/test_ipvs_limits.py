"""What the ipvs target refuses, and to which place in the program it points."""

from __future__ import annotations

import pytest

from support.ipvs_kernel import TARGET, program
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.features import Feature
from svcc.targets.capability import check_target
from svcc.targets.ipvs.sets import PREFIX

SERVICE = "service s { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.9 } }\n"


def refused(text: str) -> list[Diagnostic]:
    made = program(text)
    return check_target(made, TARGET, made.nodes[0] if made.nodes else None)


def culprits(text: str) -> list[tuple[str, str]]:
    """(code, text under the caret) of every diagnostic."""
    return [(d.code.id, d.span.source.text[d.span.start : d.span.end] if d.span else "") for d in refused(text)]


def direct(more: str, port: str = "80/tcp", endpoint: str = "100.64.0.9", forward: str = "direct") -> str:
    return f"service s {{ vip 198.19.0.1; port {port}; forward {forward}; {more}; endpoints {{ {endpoint} }} }}\n"


_NETWORKS = [f"10.{number}.0.0/16" for number in range(17)]

#: A program, and the codes with the words that they point at.
REFUSED = {
    "a prefix too long for set names": (
        f"cluster {{ prefix {'P' * (PREFIX + 1)} }}\n" + SERVICE,
        [("SVC014", "P" * (PREFIX + 1))],
    ),
    "a device name too long": (
        "cluster { vip-device a-dummy-device-0 }\n" + SERVICE,
        [("SVC014", "a-dummy-device-0")],
    ),
    "random": (SERVICE.replace("endpoints", "scheduler random; endpoints"), [("SVC060", "random")]),
    "other ports than a large range's": (
        SERVICE.replace("80/tcp", "5000-6024/udp -> 6000"),
        [("SVC062", "6000")],
    ),
    "an endpoint with other ports than a large range's": (
        SERVICE.replace("80/tcp", "5000-6024/udp").replace("100.64.0.9", "100.64.0.9:7000; 100.64.0.19:5000"),
        [("SVC062", "100.64.0.9:7000")],
    ),
    "an endpoint with other ports than a large range's node ports": (
        "node a { address 10.0.0.4 }\n"
        + SERVICE.replace("80/tcp", "30000-31024/udp nodeport 30000-31024").replace("0.9 ", "0.9:7000 "),
        [("SVC062", "100.64.0.9:7000"), ("SVC062", "100.64.0.9:7000")],
    ),
    "node ports that are other ones than a large range's": (
        "node a { address 10.0.0.4 }\n" + SERVICE.replace("80/tcp", "5000-6024/udp nodeport 30000-31024"),
        [("SVC062", "30000-31024")],
    ),
    "other ports than a large range's under one memory": (
        SERVICE.replace("80/tcp", "5000-6024/udp -> 6000; affinity client-ip per service"),
        [("SVC060", "6000")],
    ),
    "a large range by many endpoints": (
        SERVICE.replace("80/tcp", "1-65535/udp").replace(
            "100.64.0.9 }", " ".join(f"100.64.0.{number};" for number in range(1, 18)) + "}"
        ),
        [("SVC062", "1-65535/udp")],
    ),
    "a large range by many networks": (
        SERVICE.replace("80/tcp", "1-65535/udp; external-ip 203.0.113.7; allow-from " + " ".join(_NETWORKS)),
        [("SVC062", "1-65535/udp")],
    ),
    "a large range at many addresses": (
        SERVICE.replace("198.19.0.1", "198.19.0.1-198.19.0.10").replace("80/tcp", "1-65535/udp"),
        [("SVC062", "1-65535/udp")],
    ),
    "a small range at many addresses": (
        SERVICE.replace("198.19.0.1", "198.18.0.1-198.18.4.0").replace("80/tcp", "1-1024/udp"),
        [("SVC062", "1-1024/udp")],
    ),
    "ranges that are too many together": (
        "".join(
            SERVICE.replace("service s", f"service s{n}").replace("0.1", f"0.{n}").replace("80/tcp", "1-65535/udp")
            for n in range(1, 9)
        ),
        [("SVC062", "1-65535/udp")],
    ),
    "dh beside a draining endpoint": (
        SERVICE.replace("100.64.0.9", "100.64.0.9; 100.64.0.19 draining").replace(
            "endpoints", "scheduler dh; endpoints"
        ),
        [("SVC060", "100.64.0.19")],
    ),
    "direct to another port": (direct("", "80/tcp -> 8080"), [("SVC060", "8080")]),
    "tunnel to an endpoint's own port": (
        direct("", endpoint="100.64.0.9:9443", forward="tunnel"),
        [("SVC060", "100.64.0.9:9443")],
    ),
    "direct from a node port": (
        "node a { address 10.0.0.4 }\n" + direct("", "80/tcp nodeport 30080"),
        [("SVC060", "30080")],
    ),
    "direct and masqueraded": (direct("masquerade always"), [("SVC060", "always")]),
    "one packet for each of tcp": (direct("one-packet yes"), [("SVC060", "port")]),
    "one packet, translated": (direct("one-packet yes", "53/udp", forward="masquerade"), [("SVC060", "yes")]),
    "a node port without a node": (
        SERVICE.replace("80/tcp", "80/tcp nodeport 30080"),
        [("SVC061", "30080")],
    ),
}

TAKEN = {
    "all ports, by many endpoints": SERVICE.replace("80/tcp", "1-65535/udp").replace(
        "100.64.0.9 }", " ".join(f"100.64.0.{number};" for number in range(1, 17)) + "}"
    ),
    "all ports, at many addresses": SERVICE.replace("198.19.0.1", "198.19.0.1-198.19.0.8").replace(
        "80/tcp", "1-65535/udp"
    ),
    "the longest prefix": f"cluster {{ prefix {'P' * PREFIX} }}\n" + SERVICE,
    "the longest device name": "cluster { vip-device a-dummy-device0 }\n" + SERVICE,
    "as many ports as go": SERVICE.replace("80/tcp", "5000-6023/udp"),
    "dh": SERVICE.replace("endpoints", "scheduler dh; endpoints"),
    "direct": direct("masquerade auto"),
    "tunnel, a range": direct("", "5000-5009/udp", forward="tunnel"),
    "one packet, direct": direct("one-packet yes", "53/udp"),
    "one packet, tunnel": direct("one-packet yes", "53/udp", forward="tunnel"),
    "direct, an own port that changes nothing": direct("", endpoint="100.64.0.9:80"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    text, expected = REFUSED[case]
    assert culprits(text) == expected


@pytest.mark.parametrize("case", TAKEN)
def test_taken(case: str) -> None:
    assert refused(TAKEN[case]) == []


def test_it_has_every_feature_but_one() -> None:
    assert set(Feature) - set(TARGET.features) == {Feature.SCHEDULER_RANDOM}

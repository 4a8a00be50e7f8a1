"""``snat ADDRESSES``: where a source is rewritten, it becomes one of these addresses, on every target."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from support.bundles import refusal
from support.equivalence import misfaring
from support.nft_programs import program
from svcc.compiler import ir
from svcc.targets import targets
from svcc.targets.capability import check_target
from svcc.targets.interface import Target
from svcc.verify.packet import Forwarded, Packet
from svcc.verify.reference import outcome

TEXT = """
cluster { prefix CUSTOM; nodeports 30000-30099; PODS }
node one { address 10.0.0.4 fd00:10::4 }
service web { vip 198.19.10.0 fd00:19::10; external-ip 203.0.113.7; snat 203.0.113.8-203.0.113.9 fd00:8::1
              port a 80/tcp -> 8080 nodeport 30080; port b 5000-5001/udp nodeport 30050-30051
              port c 90/sctp nodeport 30090
              MORE; endpoints { 100.64.0.9; 100.64.0.19; fd00:64::9 } }
service own { vip 198.19.10.1 fd00:19::11; port a 30080/tcp; port b 30051/udp; masquerade always
              endpoints { 100.64.0.9; fd00:64::9 } }
service one { vip 198.19.10.2; port 80/tcp; snat 203.0.113.10; masquerade 192.0.2.0/24
              endpoints { 100.64.0.9; 10.0.0.4 } }
"""
_EACH = pytest.mark.parametrize("target", [t for t in targets().values() if t.loads], ids=lambda target: target.name)
_VARIANTS = pytest.mark.parametrize(
    ("pods", "more"),
    [
        ("", ""),
        ("pods 100.64.0.0/24 fd00:64::/64", ""),
        ("nodeport-addresses 10.0.0.0/24 fd00:10::/64", "masquerade never"),
        ("", "scheduler rr; allow-from 192.0.2.0/24 100.64.0.0/16; masquerade always"),
    ],
)


def made(pods: str = "", more: str = "") -> ir.Program:
    return program(TEXT.replace("PODS", pods).replace("MORE", more))


def many() -> ir.Program:
    """More services than a chain of iptables has, two of each range of addresses."""
    return program(
        "node one { address 10.0.0.4 }\n"
        + "".join(
            f"service s{i} {{ vip 198.19.{i}.1; port a 80/tcp; port b 443/tcp; snat 203.0.113.{i // 2};"
            " masquerade always; endpoints { 100.64.0.9 } }\n"
            for i in range(2, 42)
        )
        + "service ports { vip 198.19.1.1; snat 203.0.113.99; masquerade always; endpoints { 100.64.0.9 };"
        + "".join(f"port p{i} {8000 + i}/tcp nodeport {30000 + i};" for i in range(40))
        + "}"
    )


@_EACH
@_VARIANTS
def test_the_rules_rewrite_to_these_addresses(target: Target, pods: str, more: str) -> None:
    assert misfaring(target, made(pods, more)) == []


@_EACH
def test_of_many_services_each_has_its_own(target: Target) -> None:
    assert misfaring(target, many()) == []


@_EACH
@_VARIANTS
def test_its_bundles_are_taken(target: Target, pods: str, more: str) -> None:
    wanted = made(pods, more)
    assert refusal(str(target.render(wanted, wanted.nodes[0])), target) is None


@_EACH
def test_bundles_of_many_are_taken(target: Target) -> None:
    wanted = many()
    assert refusal(str(target.render(wanted, wanted.nodes[0])), target) is None


@pytest.mark.parametrize(
    ("source", "to", "sources"),
    [
        ("192.0.2.1", "198.19.10.0", ["203.0.113.8", "203.0.113.9"]),
        ("192.0.2.1", "203.0.113.7", ["203.0.113.8", "203.0.113.9"]),
        ("100.64.0.9", "198.19.10.0", ["203.0.113.8", "203.0.113.9"]),
        ("100.64.0.1", "198.19.10.0", []),
        ("2001:db8::1", "fd00:19::10", ["fd00:8::1", "fd00:8::1"]),
        ("192.0.2.1", "198.19.10.2", ["203.0.113.10", "203.0.113.10"]),
        ("192.0.3.1", "198.19.10.2", []),
    ],
)
def test_the_reference_knows_them(source: str, to: str, sources: list[str]) -> None:
    wanted = made("pods 100.64.0.0/24 fd00:64::/64")
    found = outcome(wanted, wanted.nodes[0], Packet(ip_address(source), ip_address(to), ir.Protocol.TCP, 80))
    assert isinstance(found, Forwarded)
    first = found.choices[0] if source != "100.64.0.9" else next(c for c in found.choices if str(c.address) == source)
    own = next((c for c in found.choices if str(c.address) == "10.0.0.4"), None)
    first = next(c for c in found.choices if c is not own) if own else first
    assert [str(address) for address in first.sources] == sources
    assert own is None or (own.masquerade, own.sources) == (False, ())


def test_a_packet_that_stays_as_it_is_keeps_its_source() -> None:
    wanted = program(
        "service web { vip 198.19.10.0; port 80/tcp; forward direct; snat 10.0.0.9; endpoints { 100.64.0.9 } }"
    )
    (found,) = check_target(wanted, targets()["ipvs"], None)
    assert found.message.startswith("under forward direct endpoints answer clients themselves: nobody's source")

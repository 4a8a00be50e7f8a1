"""``masquerade NETWORK…``: the source of these clients is rewritten, on every target and for every address of the
service."""

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
service web { vip 198.19.10.0 fd00:19::10; external-ip 203.0.113.7; masquerade 192.0.2.0/25 192.0.2.64/26 100.64.0.0/28
              port a 80/tcp -> 8080 nodeport 30080; port b 5000-5001/udp; port c 90/sctp nodeport 30090; MORE
              endpoints { 100.64.0.9; 100.64.0.19; fd00:64::9 } }
service all { vip 198.19.10.1; port 80/tcp; masquerade 0.0.0.0/0; endpoints { 100.64.0.9 } }
"""
_EACH = pytest.mark.parametrize("target", [t for t in targets().values() if t.loads], ids=lambda target: target.name)
_VARIANTS = pytest.mark.parametrize(
    ("pods", "more"),
    [("", ""), ("pods 100.64.0.0/24 fd00:64::/64", ""), ("", "scheduler rr; allow-from 192.0.2.0/24 100.64.0.0/16")],
)


def made(pods: str = "", more: str = "") -> ir.Program:
    return program(TEXT.replace("PODS", pods).replace("MORE", more))


@_EACH
@_VARIANTS
def test_the_rules_masquerade_them_and_nobody_else(target: Target, pods: str, more: str) -> None:
    assert misfaring(target, made(pods, more)) == []


_ON_THE_NODE = """
cluster { pods 100.64.0.0/24 fd00:64::/64 }
node one { address 10.0.0.4 10.0.0.5 fd00:10::4 fd00:10::5 }
service auto   { vip 198.19.10.0 fd00:19::10; port 80/tcp nodeport 30080; endpoints { 10.0.0.4; fd00:10::4 } }
service always { vip 198.19.10.1 fd00:19::11; port 80/tcp; masquerade always; endpoints { 10.0.0.5; fd00:10::5 } }
service named  { vip 198.19.10.2; port 80/tcp; snat 203.0.113.8; endpoints { 10.0.0.4; 100.64.0.9 } }
"""


@_EACH
@pytest.mark.parametrize(
    "text", [_ON_THE_NODE, _ON_THE_NODE.replace("snat 203.0.113.8; ", "")], ids=["snat", "no snat"]
)
def test_what_stays_on_the_node_keeps_its_source(target: Target, text: str) -> None:
    assert misfaring(target, program(text)) == []


@_EACH
@_VARIANTS
def test_its_bundles_are_taken(target: Target, pods: str, more: str) -> None:
    wanted = made(pods, more)
    assert refusal(str(target.render(wanted, wanted.nodes[0])), target) is None


@pytest.mark.parametrize(
    ("source", "to", "rewritten"),
    [
        ("192.0.2.1", "198.19.10.0", True),
        ("192.0.2.129", "198.19.10.0", False),
        ("192.0.2.1", "203.0.113.7", True),
        ("192.0.2.129", "203.0.113.7", False),
        ("100.64.0.1", "198.19.10.0", True),
        ("100.64.0.17", "198.19.10.0", False),
        ("2001:db8::1", "fd00:19::10", False),
        ("192.0.2.129", "198.19.10.1", True),
    ],
)
def test_the_reference_knows_them(source: str, to: str, rewritten: bool) -> None:
    wanted = made("pods 100.64.0.0/24 fd00:64::/64")
    found = outcome(wanted, wanted.nodes[0], Packet(ip_address(source), ip_address(to), ir.Protocol.TCP, 80))
    assert isinstance(found, Forwarded)
    assert {choice.masquerade for choice in found.choices} == {rewritten}


def test_a_packet_that_stays_as_it_is_keeps_its_source() -> None:
    wanted = program(
        "service web { vip 198.19.10.0; port 80/tcp; forward direct; masquerade 10.0.0.0/8; endpoints { 100.64.0.9 } }"
    )
    (found,) = check_target(wanted, targets()["ipvs"], None)
    assert (
        found.message
        == "under forward direct endpoints answer clients themselves: their addresses cannot be masqueraded"
    )


def test_an_address_is_one_client_and_not_what_clients_become() -> None:
    """That is ``snat``."""
    text = "service s { vip 198.19.10.1; port 80/tcp; masquerade 10.0.0.9; endpoints { 100.64.0.9 } }"
    (service,) = program(text).services
    assert [str(network) for network in service.masquerade_from] == ["10.0.0.9/32"]
    assert service.snat == ()

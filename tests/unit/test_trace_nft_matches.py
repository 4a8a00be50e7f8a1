"""libnftables documents in the tracer: which packets match expressions, sets and maps."""

from __future__ import annotations

from typing import Any

import pytest

from support.trace_nft import (
    ACCEPT,
    DADDR,
    DPORT,
    DROP,
    HEAD,
    KEY,
    KEY_TYPE,
    L4PROTO,
    MARK,
    SADDR,
    TO,
    add,
    drops,
    ends_of,
    match,
    rule,
)
from support.trace_nodes import document, node, packet
from svcc.verify.packet import Refusal
from svcc.verify.trace import Segment, UnknownRule, trace


@pytest.mark.parametrize(
    ("statement", "holds"),
    [
        (match(DADDR, "198.19.0.1"), True),
        (match(DADDR, "198.19.0.1", "!="), False),
        (match(DADDR, {"prefix": {"addr": "198.19.0.0", "len": 24}}), True),
        (match(DADDR, {"range": ["198.19.0.0", "198.19.0.9"]}), True),
        (match(DADDR, {"set": ["198.19.0.2", {"prefix": {"addr": "198.19.0.0", "len": 31}}]}), True),
        (match(DADDR, {"set": ["198.19.0.2"]}, "!="), True),
        (match(L4PROTO, "tcp"), True),
        (match(L4PROTO, {"set": ["udp", "sctp"]}), False),
        (match({"payload": {"protocol": "ip", "field": "protocol"}}, 6), True),
        (match({"payload": {"protocol": "tcp", "field": "dport"}}, 80), True),
        (match({"payload": {"protocol": "udp", "field": "dport"}}, 80), False),
        (match({"payload": {"protocol": "udp", "field": "dport"}}, 80, "!="), False),  # asks for udp first
        (match(DPORT, 79, ">"), True),
        (match(DPORT, {"range": [81, 90]}), False),
        (match({"&": [MARK, 1]}, 1), False),
        (match({"&": [MARK, 1]}, 0), True),
        (match({"|": [MARK, 1]}, 1), True),
        (match({"meta": {"key": "nfproto"}}, "ipv4"), True),
        (match({"ct": {"key": "state"}}, "new", "in"), True),
        (match({"ct": {"key": "state"}}, ["established", "related"], "in"), False),
        (match({"ct": {"key": "state"}}, {"|": ["new", "related"]}, "in"), True),
        (match({"ct": {"key": "state"}}, {"set": ["new"]}), True),
        (match({"ct": {"key": "status"}}, "dnat", "in"), False),
        (match({"ct": {"key": "ip daddr", "dir": "original"}}, "198.19.0.1"), True),
        (match({"ct": {"key": "proto-dst", "dir": "original"}}, 81), False),
        (match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), False),
        (match({"fib": {"result": "type", "flags": "saddr"}}, "unicast"), True),
    ],
)
def test_matches(statement: dict[str, Any], holds: bool) -> None:
    assert drops(statement) is holds


_FLAGS: Any = {"payload": {"protocol": "tcp", "field": "flags"}}
_SPORT: Any = {"payload": {"protocol": "tcp", "field": "sport"}}
_STATE: Any = {"ct": {"key": "state"}}


@pytest.mark.parametrize(
    ("statement", "segment", "new"),
    [
        (match(_STATE, "invalid", "in"), True, False),
        (match(_STATE, "new", "in"), False, True),
        (match(_FLAGS, "ack", "in"), True, False),
        (match(_FLAGS, "syn", "in"), False, True),
        (match({"&": [_FLAGS, 6]}, 0), True, False),
    ],
)
def test_invalid_segments_and_first_packets(statement: dict[str, Any], segment: bool, new: bool) -> None:
    kernel = node(nft=document(*HEAD, rule("f", statement, DROP)))
    found = [trace(kernel, packet(TO), segment=stray).ways[0].end.refusal for stray in (Segment(8080), None)]
    assert [refusal is Refusal.DROP for refusal in found] == [segment, new]


def test_the_source_port_of_a_segment_is_known() -> None:
    ports = add("set", name="s", type="inet_service", flags=["interval"], elem=[80, {"range": [8000, 8080]}])
    kernel = node(nft=document(*HEAD, ports, rule("f", match(_SPORT, "@s"), DROP)))
    for port, refusal in ((80, Refusal.DROP), (8080, Refusal.DROP), (8081, Refusal.UNTOUCHED)):
        assert trace(kernel, packet(TO), segment=Segment(port)).ways[0].end.refusal is refusal
    with pytest.raises(UnknownRule, match="the port that a packet comes from is not known here"):
        trace(kernel, packet(TO))


def test_named_sets() -> None:
    sets = (
        add("set", name="s", type="ipv4_addr", flags=["interval"]),
        add("element", name="s", elem=[{"prefix": {"addr": "198.19.0.0", "len": 24}}, "198.20.0.1"]),
        add(
            "set",
            name="k",
            type=KEY_TYPE,
            elem=[{"elem": {"val": {"concat": ["198.19.0.1", "tcp", 80]}, "comment": "x"}}],
        ),
    )
    assert drops(match(DADDR, "@s"), more=sets)
    assert not drops(match(SADDR, "@s"), more=sets)
    assert drops(match(SADDR, "@s", "!="), more=sets)
    assert drops(match(KEY, "@k"), more=sets)
    assert not drops(match(KEY, "@k"), more=sets, to="198.19.0.1:80/udp")


def test_a_rest_is_what_nothing_else_matches() -> None:
    verdicts = add("map", name="v", type="inet_service", map="verdict", elem=[[80, ACCEPT], ["*", DROP]])
    assert not drops({"vmap": {"key": DPORT, "data": "@v"}}, match(DPORT, 0), more=(verdicts,))
    commands = (verdicts, rule("f", {"vmap": {"key": DPORT, "data": "@v"}}))
    assert ends_of(*commands) == {"untouched": 1}
    assert ends_of(*commands, to="198.19.0.1:81/tcp") == {"drop": 1}

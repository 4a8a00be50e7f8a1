"""libnftables documents in the tracer: which endpoint is chosen, with which share, and what happens on the way."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from support.trace_nft import (
    DADDR,
    HEAD,
    KEY,
    KEY_TYPE,
    L4PROTO,
    MARK,
    SADDR,
    TO,
    add,
    base,
    ends_of,
    goto,
    match,
    rule,
)
from support.trace_nodes import document, follow, node
from svcc.verify.packet import Forwarded
from svcc.verify.trace import Draw


def _spread(key: Any, *slots: Any) -> tuple[dict[str, Any], ...]:
    """A chain for each endpoint, and a rule that spreads over them; slots are numbers or ranges with the endpoint."""
    chains = [add("chain", name=f"e{n}") for n in (1, 2)]
    ends = [rule(f"e{n}", {"dnat": {"addr": f"100.64.0.{n}"}}) for n in (1, 2)]
    data = [[{"range": list(s)} if isinstance(s, tuple) else s, goto(f"e{n}")] for s, n in slots]
    return (*chains, *ends, rule("n", {"vmap": {"key": key, "data": {"set": data}}}))


@pytest.mark.parametrize("mode", ["random", "inc"])
def test_numbers_share_by_their_slots(mode: str) -> None:
    number = {"numgen": {"mode": mode, "mod": 4}}
    assert ends_of(*_spread(number, (0, 1), ((1, 3), 2))) == {
        "100.64.0.1:80": Fraction(1, 4),
        "100.64.0.2:80": Fraction(3, 4),
    }
    assert ends_of(*_spread(number, (0, 1), (2, 2))) == {
        "100.64.0.1:80": Fraction(1, 4),
        "100.64.0.2:80": Fraction(1, 4),
        "untouched": Fraction(1, 2),
    }


def test_large_weights_are_not_drawn_one_by_one() -> None:
    number = {"numgen": {"mode": "random", "mod": 131_070}}
    assert ends_of(*_spread(number, ((0, 65_534), 1), ((65_535, 131_069), 2))) == {
        "100.64.0.1:80": Fraction(1, 2),
        "100.64.0.2:80": Fraction(1, 2),
    }


def test_how_was_it_chosen() -> None:
    jhash = {"jhash": {"mod": 2, "seed": 1, "expr": SADDR}}
    unkept = {"jhash": {"mod": 2, "expr": SADDR}}  # the next load takes another seed
    other = {"jhash": {"mod": 2, "seed": 1, "expr": {"concat": [SADDR, DADDR]}}}
    keys = [{"numgen": {"mode": "random", "mod": 2}}, {"numgen": {"mode": "inc", "mod": 2}}, jhash, other, unkept]
    found = [follow(node(nft=document(*HEAD, *_spread(key, (0, 1), (1, 2)))), TO) for key in keys]
    assert [{d for way in t.ways for d, _ in way.draws} for t in found] == [
        {d} for d in (Draw.RANDOM, Draw.TURN, Draw.CLIENT, Draw.OTHER, Draw.OTHER)
    ]
    assert [[way.share for way in t.ways] for t in found] == [[Fraction(1, 2), Fraction(1, 2)]] * 5


def test_a_seeded_hash_is_the_same_in_every_rule() -> None:
    def ways(**seed: int) -> int:
        jhash = {"jhash": {"mod": 2, "expr": SADDR, **seed}}
        set_mark = rule("f", match(jhash, 1), {"mangle": {"key": MARK, "value": 1}})
        return len(follow(node(nft=document(*HEAD, set_mark, *_spread(jhash, (0, 1), (1, 2)))), TO).ways)

    assert (ways(seed=7), ways()) == (2, 4)


def test_destinations_come_from_maps() -> None:
    commands = (
        add("map", name="m", type=KEY_TYPE, map="ipv4_addr"),
        rule("n", {"dnat": {"addr": {"map": {"key": KEY, "data": "@m"}}, "port": 8080}}),
        rule("n", match(L4PROTO, "udp"), {"dnat": {"addr": "100.64.0.9", "port": 53}}),
        add("element", name="m", elem=[[{"concat": ["198.19.0.1", "tcp", 80]}, "100.64.0.1"]]),
    )
    assert ends_of(*commands) == {"100.64.0.1:8080": 1}
    assert ends_of(*commands, to="198.19.0.1:80/udp") == {"100.64.0.9:53": 1}  # not in the map: on to the next rule
    assert ends_of(*commands, to="198.19.0.1:81/tcp") == {"untouched": 1}


def test_marks_and_masquerade() -> None:
    commands = (
        base("p", "nat", "postrouting", 100),
        rule("f", match(SADDR, "192.0.2.1"), {"mangle": {"key": MARK, "value": {"|": [MARK, 0x4000]}}}),
        rule(
            "p",
            match({"&": [MARK, 0x4000]}, 0x4000),
            {"mangle": {"key": MARK, "value": {"^": [MARK, 0x4000]}}},
            {"masquerade": {"flags": "fully-random"}},
        ),
        rule("n", {"dnat": {"addr": "100.64.0.1"}}),
    )
    assert ends_of(*commands) == {"100.64.0.1:80 masqueraded": 1}
    assert ends_of(*commands, source="192.0.2.2") == {"100.64.0.1:80": 1}


def _affinity(operation: str = "update", element_timeout: Any = 90, **more: Any) -> list[dict[str, Any]]:
    """Two endpoints, each with a set of the clients that it has."""
    sets = [add("set", name=f"a{n}", type="ipv4_addr", flags=["timeout"], **more) for n in (1, 2)]
    element = SADDR if element_timeout is None else {"elem": {"val": SADDR, "timeout": element_timeout}}
    keep = [rule(f"e{n}", {"set": {"op": operation, "elem": element, "set": f"@a{n}"}}) for n in (1, 2)]
    return [*sets, *(add("chain", name=f"e{n}") for n in (1, 2)), *keep] + [
        rule("n", match(SADDR, f"@a{n}"), goto(f"e{n}")) for n in (1, 2)
    ]


@pytest.mark.parametrize(
    ("rules", "affinity"),
    [
        (_affinity(), 90),
        (_affinity(element_timeout=None, timeout=90), 90),
        (_affinity("add"), None),  # not renewed by the next connection
    ],
)
def test_sets_keep_clients(rules: list[dict[str, Any]], affinity: int | None) -> None:
    rest = [c for c in _spread({"numgen": {"mode": "random", "mod": 2}}, (0, 1), (1, 2)) if "chain" not in c["add"]]
    found = follow(node(nft=document(*HEAD, *rules, *rest)), TO).outcome
    assert isinstance(found, Forwarded)
    assert [choice.share for choice in found.choices] == [Fraction(1, 2), Fraction(1, 2)]
    assert found.affinity == affinity

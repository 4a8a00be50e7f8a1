"""libnftables documents in the tracer: how packets walk through tables, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from support.trace_nodes import document, ends, follow, node, packet
from svcc.verify.packet import Forwarded, Refusal, Vantage
from svcc.verify.trace import Draw, LoadError, Segment, TraceError, UnknownRule, trace

TO = "198.19.0.1:80/tcp"
DADDR: Any = {"payload": {"protocol": "ip", "field": "daddr"}}
SADDR: Any = {"payload": {"protocol": "ip", "field": "saddr"}}
L4PROTO: Any = {"meta": {"key": "l4proto"}}
DPORT: Any = {"payload": {"protocol": "th", "field": "dport"}}
MARK: Any = {"meta": {"key": "mark"}}
KEY: Any = {"concat": [DADDR, L4PROTO, DPORT]}
KEY_TYPE = ["ipv4_addr", "inet_proto", "inet_service"]
DROP: Any = {"drop": None}
ACCEPT: Any = {"accept": None}


def add(kind: str, family: str = "ip", **fields: Any) -> dict[str, Any]:
    place = {} if kind == "table" else {"table": "t"}
    return {"add": {kind: {"family": family, **place, **fields}}}


def base(name: str, type: str, hook: str, priority: int, family: str = "ip", **fields: Any) -> dict[str, Any]:
    return add("chain", family, name=name, type=type, hook=hook, prio=priority, **fields)


def rule(chain: str, *statements: Any, family: str = "ip") -> dict[str, Any]:
    return add("rule", family, chain=chain, expr=list(statements))


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def goto(chain: str) -> dict[str, Any]:
    return {"goto": {"target": chain}}


def jump(chain: str) -> dict[str, Any]:
    return {"jump": {"target": chain}}


TABLE = add("table", name="t")
FILTER = base("f", "filter", "prerouting", -150)
NAT = base("n", "nat", "prerouting", -100)
HEAD = (TABLE, FILTER, NAT)


def _ends(*commands: dict[str, Any], to: str = TO, source: str | None = None) -> dict[str, Fraction]:
    return ends(node(nft=document(*HEAD, *commands)), to, source)


def _holds(*statements: Any, to: str = TO, source: str | None = None, more: tuple[dict[str, Any], ...] = ()) -> bool:
    return "drop" in _ends(*more, rule("f", *statements, DROP), to=to, source=source)


# ---- walking


@pytest.mark.parametrize(
    ("commands", "end"),
    [
        ([rule("f", DROP)], "drop"),
        ([rule("f", ACCEPT), rule("f", DROP)], "untouched"),
        ([rule("f", {"return": None}), rule("f", DROP)], "untouched"),
        ([rule("f", {"continue": None}), rule("f", DROP)], "drop"),
        ([rule("f", {"counter": None}), rule("f", DROP)], "drop"),
        ([rule("f", DROP), {"insert": rule("f", ACCEPT)["add"]}], "untouched"),
        ([add("chain", name="a"), rule("f", jump("a")), rule("f", DROP)], "drop"),
        ([add("chain", name="a"), rule("a", ACCEPT), rule("f", jump("a")), rule("f", DROP)], "untouched"),
        ([add("chain", name="a"), rule("f", goto("a")), rule("f", DROP)], "untouched"),
        ([rule("f", ACCEPT), base("g", "filter", "prerouting", -140), rule("g", DROP)], "drop"),  # accept is not final
        ([base("g", "filter", "prerouting", -160), rule("g", DROP), rule("f", ACCEPT)], "drop"),
        ([base("g", "filter", "forward", 0, policy="drop")], "drop"),
        ([base("g", "filter", "input", 0, policy="drop")], "untouched"),
        ([rule("f", {"reject": None})], "reject"),
        ([rule("f", {"reject": {"type": "tcp reset"}})], "reject"),
        ([rule("f", {"reject": {"type": "icmp", "expr": "port-unreachable"}})], "reject"),
    ],
)
def test_walks(commands: list[dict[str, Any]], end: str) -> None:
    assert _ends(*commands) == {end: 1}


def test_a_reset_answers_tcp_alone() -> None:
    reset = rule("f", {"reject": {"type": "tcp reset"}})
    assert _ends(reset, to="198.19.0.1:80/udp") == {"untouched": 1}


def test_tables_of_a_family_see_its_packets_and_inet_sees_all() -> None:
    for family, v4, v6 in (("ip", "drop", "untouched"), ("ip6", "untouched", "drop"), ("inet", "drop", "drop")):
        commands = (add("table", family, name="t"), base("f", "filter", "prerouting", 0, family))
        kernel = node(nft=document(*commands, rule("f", DROP, family=family)))
        assert ends(kernel, TO) == {v4: 1}
        assert ends(kernel, "[fd00::1]:80/tcp") == {v6: 1}


def test_translation_has_a_place_of_its_own_whatever_its_priority() -> None:
    """Chains of the type nat are called at -100 in any case, in the order of their priorities (nf_nat_core.c)."""
    early = base("early", "nat", "prerouting", -180)
    to = (rule("n", {"dnat": {"addr": "100.64.0.1"}}), rule("early", {"dnat": {"addr": "100.64.0.2"}}))
    dropped = rule("f", match(DADDR, "198.19.0.1"), DROP)  # at -150
    assert _ends(early, *to) == {"100.64.0.2:80": 1}
    assert _ends(early, *to, dropped) == {"drop": 1}


# ---- expressions and matches


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
    assert _holds(statement) is holds


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
    assert _holds(match(DADDR, "@s"), more=sets)
    assert not _holds(match(SADDR, "@s"), more=sets)
    assert _holds(match(SADDR, "@s", "!="), more=sets)
    assert _holds(match(KEY, "@k"), more=sets)
    assert not _holds(match(KEY, "@k"), more=sets, to="198.19.0.1:80/udp")


def test_a_rest_is_what_nothing_else_matches() -> None:
    verdicts = add("map", name="v", type="inet_service", map="verdict", elem=[[80, ACCEPT], ["*", DROP]])
    assert not _holds({"vmap": {"key": DPORT, "data": "@v"}}, match(DPORT, 0), more=(verdicts,))
    commands = (verdicts, rule("f", {"vmap": {"key": DPORT, "data": "@v"}}))
    assert _ends(*commands) == {"untouched": 1}
    assert _ends(*commands, to="198.19.0.1:81/tcp") == {"drop": 1}


# ---- maps and chance


def _spread(key: Any, *slots: Any) -> tuple[dict[str, Any], ...]:
    """A chain for each endpoint, and a rule that spreads over them; slots are numbers or ranges with the endpoint."""
    chains = [add("chain", name=f"e{n}") for n in (1, 2)]
    ends = [rule(f"e{n}", {"dnat": {"addr": f"100.64.0.{n}"}}) for n in (1, 2)]
    data = [[{"range": list(s)} if isinstance(s, tuple) else s, goto(f"e{n}")] for s, n in slots]
    return (*chains, *ends, rule("n", {"vmap": {"key": key, "data": {"set": data}}}))


@pytest.mark.parametrize("mode", ["random", "inc"])
def test_numbers_share_by_their_slots(mode: str) -> None:
    number = {"numgen": {"mode": mode, "mod": 4}}
    assert _ends(*_spread(number, (0, 1), ((1, 3), 2))) == {
        "100.64.0.1:80": Fraction(1, 4),
        "100.64.0.2:80": Fraction(3, 4),
    }
    assert _ends(*_spread(number, (0, 1), (2, 2))) == {
        "100.64.0.1:80": Fraction(1, 4),
        "100.64.0.2:80": Fraction(1, 4),
        "untouched": Fraction(1, 2),
    }


def test_large_weights_are_not_drawn_one_by_one() -> None:
    number = {"numgen": {"mode": "random", "mod": 131_070}}
    assert _ends(*_spread(number, ((0, 65_534), 1), ((65_535, 131_069), 2))) == {
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
    assert _ends(*commands) == {"100.64.0.1:8080": 1}
    assert _ends(*commands, to="198.19.0.1:80/udp") == {"100.64.0.9:53": 1}  # not in the map: on to the next rule
    assert _ends(*commands, to="198.19.0.1:81/tcp") == {"untouched": 1}


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
    assert _ends(*commands) == {"100.64.0.1:80 masqueraded": 1}
    assert _ends(*commands, source="192.0.2.2") == {"100.64.0.1:80": 1}


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


# ---- what is refused


@pytest.mark.parametrize(
    ("command", "error", "message"),
    [
        (rule("f", {"limit": {"rate": 1}}), UnknownRule, "the statement limit is not known here"),
        (rule("f", {"xt": None}), UnknownRule, "the statement xt is not known here"),
        (rule("f", match({"meta": {"key": "iifname"}}, "lo")), UnknownRule, "meta iifname is not known here"),
        (rule("f", match({"payload": {"protocol": "udp", "field": "sport"}}, 1)), UnknownRule, "the field udp sport"),
        (rule("f", match({"ct": {"key": "zone"}}, 1)), UnknownRule, "ct  zone is not known here"),
        (rule("f", match({"fib": {"result": "oif", "flags": ["daddr"]}}, 1)), UnknownRule, "fib ['daddr'] oif"),
        (rule("f", match(DADDR, "198.19.0.1", "~")), UnknownRule, "the comparison ~ is not known here"),
        (rule("f", {"match": {"op": "==", "left": DADDR, "right": "198.19.0.1", "x": 1}}), UnknownRule, "`x` of match"),
        (rule("f", {"mangle": {"key": {"meta": {"key": "priority"}}, "value": 1}}), UnknownRule, "to set {'meta'"),
        (rule("f", {"reject": {"type": "icmp", "expr": "nonsense"}}), UnknownRule, "reject with icmp nonsense"),
        (add("flowtable", name="x"), UnknownRule, "`add flowtable` is not known here"),
        (
            {"delete": {"set": {"family": "ip", "table": "t", "name": "s"}}},
            UnknownRule,
            "`delete set` is not known here",
        ),
        (add("set", name="s", type="ether_addr"), UnknownRule, "the type ether_addr is not known here"),
        (add("table", "bridge", name="t"), UnknownRule, "the family bridge is not known here"),
        (base("x", "route", "output", 0), UnknownRule, "chains of the type route are not known here"),
        (base("x", "nat", "forward", 0), LoadError, "a chain of the type nat cannot have the hook forward"),
        (base("x", "nat", "prerouting", -300), LoadError, "addresses cannot be translated at priority -300"),
        (
            add("chain", name="x", type="nat", hook="prerouting", prio="dstnat"),
            LoadError,
            "`prio` of chain is not a number",
        ),
        (base("f", "filter", "prerouting", 0), LoadError, "the chain f is there already, and is another one"),
        (rule("x", DROP), LoadError, "there is no chain x"),
        (rule("f", jump("x")), LoadError, "there is no chain x"),
        (rule("f", jump("n")), LoadError, "there is no chain n"),  # a base chain
        (rule("f", match(DADDR, "@x")), LoadError, "there is no set @x"),
        (rule("f", match(DADDR, "fd00::1")), LoadError, "fd00::1 is no ipv4_addr"),
        (rule("f", match(DPORT, 65_536)), LoadError, "65536 is no inet_service"),
        (
            rule("f", match({"payload": {"protocol": "ip6", "field": "daddr"}}, "fd00::1")),
            LoadError,
            "ip6 daddr in a table of ip",
        ),
        (rule("f", DROP, ACCEPT), LoadError, "`drop` is not the last statement"),
        (rule("n", {"dnat": {"addr": "100.64.0.1", "port": 80}}), LoadError, "a port is translated only where"),
        (
            rule("n", match(DPORT, 80), {"dnat": {"addr": "100.64.0.1", "port": 80}}),
            LoadError,
            "a port is translated only",
        ),
        (rule("n", {"dnat": {"addr": DPORT}}), LoadError, "th dport is inet_service, and dnat is of ipv4_addr"),
        (rule("f", {"numgen": 1}), UnknownRule, "the statement numgen is not known here"),
        (rule("f", match({"numgen": {"mode": "inc", "mod": 0}}, 1)), LoadError, "numgen inc mod 0 is not valid"),
        (
            rule("f", {"vmap": {"key": DPORT, "data": {"set": [[80, DROP], [80, ACCEPT]]}}}),
            LoadError,
            "80 is there already",
        ),
        (rule("f", {"masquerade": {"flags": "x"}}), LoadError, "masquerade has no flag x"),
        (rule("f", {"mangle": {"key": MARK, "value": DPORT}}), LoadError, "th dport is no mark"),
        (add("set", name="s", type="ipv4_addr", flags=["dynamic"]), LoadError, "nft 1.0.6 refuses the flag dynamic"),
        (
            add("set", name="s", type="ipv4_addr", elem=[{"prefix": {"addr": "10.0.0.0", "len": 8}}]),
            LoadError,
            "a range, in",
        ),
        (
            add("set", name="s", type="ipv4_addr", size=1, elem=["10.0.0.1", "10.0.0.2"]),
            LoadError,
            "the set s is full: size 1",
        ),
        (
            add("map", name="s", type="ipv4_addr", map="mark", elem=["10.0.0.1"]),
            LoadError,
            "10.0.0.1 is no key with its data",
        ),
        (add("element", name="s", elem=[]), LoadError, "there is no set s"),
        ({"delete": {"table": {"family": "ip6", "name": "t"}}}, LoadError, "there is no table ip6 t"),
        (add("chain", name="x" * 256), LoadError, "a name has at most 255 characters"),
    ],
)
def test_what_is_refused(command: dict[str, Any], error: type[TraceError], message: str) -> None:
    with pytest.raises(error) as refused:
        node(nft=document(*HEAD, command))
    assert refused.value.message.startswith(message)
    assert str(refused.value.place) == "nft:5"


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ([{"range": [1, 9]}, {"range": [9, 12]}], "two elements overlap"),
        ([{"range": [1, 9]}, 5], "two elements overlap"),
        ([{"range": [9, 1]}], "{'range': [9, 1]} is no inet_service: a range that ends before it begins"),
    ],
)
def test_intervals_do_not_overlap(elements: list[Any], message: str) -> None:
    with pytest.raises(LoadError) as refused:
        node(nft=document(TABLE, add("set", name="s", type="inet_service", flags=["interval"], elem=elements)))
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            [rule("a", {"masquerade": None}), rule("n", goto("a"))],
            "`masquerade` is not valid in the nat hook prerouting",
        ),
        (
            [rule("a", {"dnat": {"addr": "10.0.0.1"}}), rule("f", goto("a"))],
            "`dnat to 10.0.0.1` is not valid in the filter hook",
        ),
        ([rule("a", goto("b")), rule("b", goto("a"))], "chain a leads back to itself"),
    ],
)
def test_statements_are_valid_where_a_base_chain_leads_to(rules: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(LoadError) as refused:
        node(nft=document(*HEAD, add("chain", name="a"), add("chain", name="b"), *rules))
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", 'nft:1: `{` is missing: a document begins with {"nftables": ['),
        ("[]", 'nft:1: `{` is missing: a document begins with {"nftables": ['),
        ('{"nftables": [\n{"add": }]}', "nft:2: not JSON: Expecting value"),
        ('{"nftables": [\n{"metainfo": {}}\n{}]}', "nft:3: not JSON: a comma is missing"),
        ('{"nftables": [{"metainfo": {}}]} x', "nft:1: not JSON: more than one document"),
        ('{"nftables": [\n{"add": {}, "x": 1}]}', "nft:2: a command is an object with one member"),
        ('{"nftables": [\n{"add": {"table": {"family": "ip", "family": "ip6"}}}]}', "nft:2: a member is given twice"),
        ('{"nftables": [\n{"reset": {"x": {}}}]}', "nft:2: `add reset` is not known here"),
    ],
)
def test_documents_that_are_none(text: str, message: str) -> None:
    with pytest.raises(TraceError) as refused:
        node(nft=text or " ")
    assert str(refused.value) == message


def test_a_document_replaces_its_table_and_leaves_others() -> None:
    from svcc.targets.interface import Artifact, Bundle, Part
    from svcc.verify.trace import load

    part = Part("nft", "", "")
    other = [
        add("table", name="o"),
        {
            "add": {
                "chain": {"family": "ip", "table": "o", "name": "f", "type": "filter", "hook": "prerouting", "prio": 0}
            }
        },
    ]
    dropping = document(*HEAD, rule("f", DROP))
    replacing = document(*other, TABLE, {"delete": {"table": {"family": "ip", "name": "t"}}}, *HEAD)
    bundles = [Bundle("nft", None, (Artifact(part, text),)) for text in (dropping, replacing)]
    assert ends(load(bundles[:1]), TO) == {"drop": 1}
    assert ends(load(bundles), TO) == {"untouched": 1}


def test_the_node_itself_passes_output() -> None:
    commands = (base("o", "nat", "output", -100), rule("o", {"dnat": {"addr": "100.64.0.1"}}))
    assert ends(node(nft=document(*HEAD, *commands)), TO, "10.0.0.4", Vantage.NODE) == {"100.64.0.1:80": 1}
    assert _ends(*commands) == {"untouched": 1}

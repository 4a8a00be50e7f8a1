"""libnftables documents in the tracer: what nft or the kernel would refuse, and what the tracer does not know."""

from __future__ import annotations

from typing import Any

import pytest

from support.trace_nft import ACCEPT, DADDR, DPORT, DROP, HEAD, MARK, TABLE, add, base, goto, jump, match, rule
from support.trace_nodes import document, node
from svcc.verify.trace import LoadError, TraceError, UnknownRule


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

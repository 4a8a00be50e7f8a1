"""libnftables documents in the tracer: how packets walk through chains, hooks and tables."""

from __future__ import annotations

from typing import Any

import pytest

from support.trace_nft import ACCEPT, DADDR, DROP, HEAD, TABLE, TO, add, base, ends_of, goto, jump, match, rule
from support.trace_nodes import document, ends, node
from svcc.targets.interface import Artifact, Bundle, Part
from svcc.verify.packet import Vantage
from svcc.verify.trace import load


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
    assert ends_of(*commands) == {end: 1}


def test_a_reset_answers_tcp_alone() -> None:
    reset = rule("f", {"reject": {"type": "tcp reset"}})
    assert ends_of(reset, to="198.19.0.1:80/udp") == {"untouched": 1}


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
    assert ends_of(early, *to) == {"100.64.0.2:80": 1}
    assert ends_of(early, *to, dropped) == {"drop": 1}


def test_a_document_replaces_its_table_and_leaves_others() -> None:
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
    assert ends_of(*commands) == {"untouched": 1}

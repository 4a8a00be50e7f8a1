"""Whether firewalls drop a packet, as far as their rules can be read, in iptables' and in nft's language."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from svcc.apply.firewall import iptables, nft
from svcc.apply.firewall.rules import Dropped, Kind, Packet, dropped

NEW = Packet(4, "tcp", destination=ip_address("198.19.10.1"), port=80)
TRANSLATED = replace(NEW, status="dnat")
UDP = replace(NEW, protocol="udp", port=53)
SIX = Packet(6, "tcp", destination=ip_address("fd00:19::1"), port=80)
ANSWER = Packet(4, "tcp", source=ip_address("100.64.0.9"), source_port=8080, state="established")

#: Rules of a chain whose policy is to drop, and the packets that it accepts.
ACCEPTING: dict[str, list[Packet]] = {
    "": [],
    "-j ACCEPT": [NEW, TRANSLATED, UDP, ANSWER],
    "-d 198.19.10.1/32 -j ACCEPT": [NEW, TRANSLATED, UDP],
    "-d 198.19.0.0/16 -p tcp -m tcp --dport 80 -j ACCEPT": [NEW, TRANSLATED],
    "-p udp -m udp --dport 50:60 -j ACCEPT": [UDP],
    "-p tcp -m multiport --dports 22,80,443 -m comment --comment x -j ACCEPT": [NEW, TRANSLATED],
    "! -d 198.19.10.1/32 -j ACCEPT": [],
    "-p tcp -m tcp ! --dport 22 -j ACCEPT": [NEW, TRANSLATED],
    "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT": [ANSWER],
    "-m conntrack ! --ctstate INVALID -j ACCEPT": [NEW, TRANSLATED, UDP, ANSWER],
    "-m conntrack --ctstate DNAT -j ACCEPT": [TRANSLATED],
    "-m state --state NEW -j ACCEPT": [NEW, TRANSLATED, UDP],
    "-s 100.64.0.0/24 -j ACCEPT": [ANSWER],  # of others nobody knows where they come from
    "-s 10.0.0.0/8 -d 198.19.10.1/32 -j ACCEPT": [NEW, TRANSLATED, UDP],  # it is about the service
    "-m set --match-set web dst,dst -j ACCEPT": [NEW, TRANSLATED, UDP],
    "-m set --match-set web src -j ACCEPT": [ANSWER],
    "-m iprange --dst-range 198.19.10.0-198.19.10.1 -j ACCEPT": [NEW, TRANSLATED, UDP],
    "-m iprange ! --src-range 100.64.0.1-100.64.0.8 -j ACCEPT": [ANSWER],
    "-m conntrack --ctdir REPLY -j ACCEPT": [ANSWER],
    "-m mark --mark 0x1 -j ACCEPT": [],
    "-i lo -j ACCEPT": [],
    "-p tcp -m tcp --dport 80 -m limit --limit 3/min -j LOG": [],
    "-d 198.19.0.0/16 -j DROP\n-j ACCEPT": [ANSWER],
    "-j sub\n-j DROP": [],
    "-g sub": [],
    "-j never": [],
    "-m mark --mark 0x1 -j DROP\n-d 198.19.10.1/32 -j ACCEPT": [NEW, TRANSLATED, UDP],
    "-j two\n-j DROP": [NEW, TRANSLATED],
}
SUBS = (
    "-A sub -d 203.0.113.0/24 -j ACCEPT\n-A sub -j RETURN\n-A sub -j ACCEPT\n-A two -p tcp -g three\n-A two -j RETURN\n"
)
SUBS += "-A three -p tcp -m tcp --dport 80 -j ACCEPT\n"


@pytest.mark.parametrize("rules", ACCEPTING)
def test_a_chain_of_iptables_that_drops_by_default(rules: str) -> None:
    lines = "".join(f"-A INPUT {line}\n" for line in rules.split("\n") if line)
    found, policies = iptables.read(f"*filter\n:INPUT DROP [7:9]\n:sub - [0:0]\n{lines}{SUBS}COMMIT\n")
    packets = [NEW, TRANSLATED, UDP, ANSWER]
    assert [one for one in packets if not dropped(found, "INPUT", policies["INPUT"], one)] == ACCEPTING[rules]


def test_the_rule_that_drops_is_told() -> None:
    text = (
        ":INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j web\n-A INPUT -j REJECT --reject-with icmp-host-prohibited\n"
        '-A web -m comment --comment "not -j ACCEPT" -j LOG\n-A web -d 198.19.0.0/16 -j DROP\n'
    )
    found, policies = iptables.read(text)
    assert dropped(found, "INPUT", policies["INPUT"], NEW) == Dropped("web", "2")
    assert dropped(found, "INPUT", policies["INPUT"], UDP) == Dropped("INPUT", "2")
    assert dropped(iptables.read(":INPUT DROP [0:0]\n")[0], "INPUT", Kind.DROP, NEW) == Dropped("INPUT")
    assert dropped(iptables.read("")[0], "INPUT", Kind.ACCEPT, NEW) is None


@pytest.mark.parametrize("end", ["\n", "\v", "\x1c", "\x85", "\u2028"])
def test_a_comment_that_holds_the_end_of_a_line_makes_no_other_rules(end: str) -> None:
    """Neither hides it the rule that it is of."""
    comment = f'-m comment --comment "a{end}-A INPUT -j ACCEPT{end}:INPUT ACCEPT [0:0]{end}"'
    found, policies = iptables.read(f":INPUT DROP [0:0]\n-A INPUT {comment} -j DROP\n")
    assert dropped(found, "INPUT", Kind.ACCEPT, NEW) == Dropped("INPUT", "1")
    assert policies == {"INPUT": Kind.DROP}


def test_chains_that_lead_to_each_other_end() -> None:
    found, _ = iptables.read("-A INPUT -j a\n-A a -j INPUT\n")
    assert dropped(found, "INPUT", Kind.DROP, NEW) == Dropped("INPUT")


def match(left: dict[str, Any], right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


PORT = {"payload": {"protocol": "tcp", "field": "dport"}}
TO = {"payload": {"protocol": "ip", "field": "daddr"}}
FROM = {"payload": {"protocol": "ip", "field": "saddr"}}
STATE = {"ct": {"key": "state"}}
NAT, SIXTEEN = {"ct": {"key": "status"}}, {"prefix": {"addr": "198.19.0.0", "len": 16}}
ACCEPT, DROP = {"accept": None}, {"drop": None}

#: As nft 1.0.6 prints rules, and the packets that a chain accepts which drops by default.
ACCEPTING_NFT: list[tuple[list[Any], list[Packet]]] = [
    ([ACCEPT], [NEW, TRANSLATED, UDP, SIX, ANSWER]),
    ([{"counter": {"packets": 0, "bytes": 0}}, match(TO, SIXTEEN), ACCEPT], [NEW, TRANSLATED, UDP]),
    ([match(TO, {"set": ["198.19.10.1", "10.0.0.1"]}), match(PORT, 80), ACCEPT], [NEW, TRANSLATED]),
    ([match(TO, "@web"), ACCEPT], [NEW, TRANSLATED, UDP]),
    ([match(FROM, "@web"), ACCEPT], [ANSWER]),
    ([match(PORT, {"set": [22, {"range": [79, 90]}]}), ACCEPT], [NEW, TRANSLATED, SIX]),
    ([match(PORT, 22, "!="), ACCEPT], [NEW, TRANSLATED, SIX]),
    ([match(PORT, 1024, ">"), ACCEPT], []),
    ([match(PORT, 80, ">="), ACCEPT], [NEW, TRANSLATED, SIX]),
    ([match(PORT, 80, "<"), ACCEPT], []),
    ([match(TO, "198.19.10.1", ">"), ACCEPT], []),
    ([match(TO, "198.19.10.1", "<="), ACCEPT], [NEW, TRANSLATED, UDP]),
    ([match(TO, {"range": ["198.19.10.0", "198.19.10.9"]}), ACCEPT], [NEW, TRANSLATED, UDP]),
    ([match({"&": [TO, "255.255.0.255"]}, "198.19.0.1"), ACCEPT], [NEW, TRANSLATED, UDP]),
    ([match({"meta": {"key": "protocol"}}, {"set": ["ip", "arp"]}), ACCEPT], [NEW, TRANSLATED, UDP, ANSWER]),
    ([match({"meta": {"key": "l4proto"}}, 17), ACCEPT], [UDP]),
    ([match({"ct": {"key": "direction"}}, "reply"), ACCEPT], [ANSWER]),
    (
        [
            match(
                {"concat": [TO, {"meta": {"key": "l4proto"}}, {"payload": {"protocol": "th", "field": "dport"}}]},
                {"set": [{"concat": [SIXTEEN, "udp", {"range": [50, 60]}]}, {"concat": ["198.19.10.2", "tcp", 80]}]},
            ),
            ACCEPT,
        ],
        [UDP],
    ),
    ([match({"concat": [TO, PORT]}, {"set": [{"concat": ["198.19.10.1", 80]}]}, "!="), ACCEPT], []),
    (
        [match({"concat": [{"meta": {"key": "mark"}}, PORT]}, {"set": [{"concat": [1, 80]}]}), ACCEPT],
        [NEW, TRANSLATED, SIX],
    ),
    ([match(STATE, ["established", "related"], "in"), ACCEPT], [ANSWER]),
    ([match(STATE, {"set": ["new", "untracked"]}), ACCEPT], [NEW, TRANSLATED, UDP, SIX]),
    ([match(NAT, "dnat", "in"), ACCEPT], [TRANSLATED]),
    ([match({"meta": {"key": "l4proto"}}, "udp"), ACCEPT], [UDP]),
    ([match({"meta": {"key": "nfproto"}}, "ipv6"), ACCEPT], [SIX]),
    ([match({"meta": {"key": "iifname"}}, "lo"), ACCEPT], []),
    ([{"limit": {"rate": 5, "per": "second"}}, ACCEPT], []),
    (
        [{"vmap": {"key": STATE, "data": {"set": [["established", ACCEPT], ["new", {"jump": {"target": "sub"}}]]}}}],
        [UDP, ANSWER],
    ),
    ([{"vmap": {"key": PORT, "data": "@ports"}}], [NEW, TRANSLATED, SIX]),
    ([{"vmap": {"key": {"concat": [{"meta": {"key": "mark"}}, TO]}, "data": "@many"}}], [NEW, TRANSLATED, UDP]),
    ([{"vmap": {"key": {"meta": {"key": "iifname"}}, "data": "@devices"}}], []),
    ([{"jump": {"target": "sub"}}], [UDP]),
    ([match(PORT, 80), {"reject": {"type": "tcp reset"}}], []),
]
SUB = [match({"payload": {"protocol": "udp", "field": "dport"}}, {"range": [50, 60]}), ACCEPT]


def listed(*rules: tuple[str, list[Any]]) -> list[dict[str, Any]]:
    return [{"rule": {"chain": chain, "handle": number, "expr": expr}} for number, (chain, expr) in enumerate(rules, 4)]


@pytest.mark.parametrize(("expr", "accepted"), ACCEPTING_NFT)
def test_a_chain_of_nft_that_drops_by_default(expr: list[Any], accepted: list[Packet]) -> None:
    found = nft.read([{"metainfo": {}}, *listed(("input", expr), ("sub", SUB))])
    packets = [NEW, TRANSLATED, UDP, SIX, ANSWER]
    assert [one for one in packets if not dropped(found, "input", Kind.DROP, one)] == accepted


#: The elements of named sets and maps, and the packets that a rule drops which asks for them.
ELEMENTS: list[tuple[dict[str, Any], list[Any], list[Packet]]] = [
    (match(TO, "@set"), ["198.19.10.0", {"elem": {"val": "198.19.10.1", "timeout": 9}}], [NEW, UDP]),
    (match(TO, "@set"), ["198.19.10.0", {"range": ["198.19.10.2", "198.19.10.9"]}], []),
    (match(TO, "@set"), [{"range": ["10.0.0.1", "10.0.0.9"]}, SIXTEEN, "203.0.113.1"], [NEW, UDP]),
    (match(TO, "@set", "!="), ["198.19.10.0"], [NEW, UDP]),
    (match(TO, "@set", "!="), ["*"], []),
    (match(FROM, "@set"), ["100.64.0.9"], [ANSWER]),
    (match(PORT, "@set"), [{"range": [79, 81]}], [NEW, SIX]),
    (match({"concat": [TO, PORT]}, "@set"), [{"concat": [SIXTEEN, 80]}], [NEW]),
    ({"vmap": {"key": PORT, "data": "@map"}}, [[80, ACCEPT], ["*", DROP]], []),
    ({"vmap": {"key": PORT, "data": "@map"}}, [[81, ACCEPT], ["*", DROP]], [NEW, SIX]),
    ({"vmap": {"key": {"concat": [TO, PORT]}, "data": "@map"}}, [[{"concat": ["198.19.10.1", 80]}, DROP]], [NEW]),
]


@pytest.mark.parametrize(("statement", "elements", "lost"), ELEMENTS)
def test_the_elements_of_named_sets_and_maps_are_known(
    statement: dict[str, Any], elements: list[Any], lost: list[Packet]
) -> None:
    """Of those that cannot be read nothing is said."""
    rule = listed(("input", [statement, DROP]))
    packets = [NEW, UDP, SIX, ANSWER]
    found = nft.read(rule, lambda kind, name: elements if name == kind else None)
    assert [one for one in packets if dropped(found, "input", Kind.ACCEPT, one)] == lost
    assert not any(dropped(nft.read(rule), "input", Kind.ACCEPT, one) for one in packets)


def test_iptables_gives_the_rules_that_nft_has_no_words_for() -> None:
    """What it leaves out of others, nft gives. Places are numbers."""
    extension = {"xt": {"type": "match", "name": "multiport"}}
    rules = listed(
        ("INPUT", [match(TO, "@set"), DROP]), ("INPUT", [extension, DROP]), ("INPUT", [match(PORT, 80), DROP])
    )
    saved, _ = iptables.read(
        "-A INPUT -j DROP\n-A INPUT -p udp -m multiport --dports 53,54 -j DROP\n-A INPUT -j DROP\n"
    )
    found = nft.read(rules, of_iptables=saved)
    assert [dropped(found, "INPUT", Kind.ACCEPT, one) for one in (UDP, NEW)] == [
        Dropped("INPUT", "2"),
        Dropped("INPUT", "3"),
    ]
    assert dropped(found, "INPUT", Kind.ACCEPT, replace(NEW, port=81)) is None


def test_a_rule_of_nft_that_drops_is_told_by_its_handle() -> None:
    found = nft.read(listed(("input", [match(TO, "10.0.0.1"), DROP]), ("input", [match(PORT, 80), DROP])))
    assert dropped(found, "input", Kind.ACCEPT, NEW) == Dropped("input", "5")
    assert dropped(found, "input", Kind.ACCEPT, UDP) is None


EARLY = replace(NEW, state=None)


@pytest.mark.parametrize(
    ("rules", "lost"),
    [
        ("-p tcp -m tcp --dport 80 -j NOTRACK", True),
        ("-d 198.19.0.0/16 -j CT --notrack", True),
        ("-i eth0 -j NOTRACK", False),
        ("-j CT --zone 1", False),
        ("-d 198.19.0.0/16 -j ACCEPT\n-A INPUT -j NOTRACK", False),
    ],
)
def test_a_packet_is_lost_that_connection_tracking_passes_over(rules: str, lost: bool) -> None:
    """Where it was tracked already, that changes nothing."""
    found, _ = iptables.read(f"-A INPUT {rules}\n")
    assert dropped(found, "INPUT", Kind.ACCEPT, EARLY) == (Dropped("INPUT", "1", untracked=True) if lost else None)
    assert dropped(found, "INPUT", Kind.ACCEPT, NEW) is None


def test_nft_keeps_a_packet_from_being_tracked_and_goes_on_with_its_rule() -> None:
    found = nft.read(listed(("c", [match(PORT, 80), {"notrack": None}, DROP]), ("c", [{"notrack": None}, ACCEPT])))
    assert dropped(found, "c", Kind.ACCEPT, EARLY) == Dropped("c", "4", untracked=True)
    assert dropped(found, "c", Kind.ACCEPT, NEW) == Dropped("c", "4")
    assert dropped(found, "c", Kind.DROP, replace(EARLY, port=81)) == Dropped("c", "5", untracked=True)
    assert dropped(found, "c", Kind.DROP, UDP) is None


def test_before_it_is_tracked_nobody_knows_the_state_of_a_packet() -> None:
    found, _ = iptables.read("-A INPUT -m conntrack --ctstate NEW -j DROP\n")
    assert dropped(found, "INPUT", Kind.ACCEPT, NEW) == Dropped("INPUT", "1")
    assert dropped(found, "INPUT", Kind.ACCEPT, EARLY) is None


def test_chains_of_svcc_decide_nothing() -> None:
    """What one target of a prefix rejects is in the way of none that takes its place."""
    text = "-A INPUT -g SHOP-REJECT\n-A SHOP-REJECT -j DROP\n-A INPUT -j SHOPS\n-A SHOPS -p sctp -j DROP\n"
    assert dropped(iptables.read(text)[0], "INPUT", Kind.ACCEPT, NEW) == Dropped("SHOP-REJECT", "1")
    assert dropped(iptables.read(text, ["shop"])[0], "INPUT", Kind.ACCEPT, NEW) is None
    policy = iptables.read(":INPUT DROP [0:0]\n-A INPUT -g SHOP-REJECT\n-A SHOP-REJECT -j ACCEPT\n", ["shop"])
    assert dropped(policy[0], "INPUT", Kind.DROP, NEW) == Dropped("INPUT")


@pytest.mark.parametrize(
    ("rules", "taken"),
    [
        ("-d 198.19.10.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:80", True),
        ("-p tcp -j REDIRECT --to-ports 81", True),
        ("-d 198.19.0.0/16 -j NETMAP --to 10.0.0.0/16", True),
        ("-i eth0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1", False),
        ("-d 198.19.10.1/32 -j ACCEPT\n-A PREROUTING -p tcp -j REDIRECT", False),
    ],
)
def test_a_packet_is_lost_that_somebody_else_translates(rules: str, taken: bool) -> None:
    found, _ = iptables.read(f"-A PREROUTING {rules}\n")
    assert dropped(found, "PREROUTING", Kind.ACCEPT, NEW) == (Dropped("PREROUTING", "1") if taken else None)


@pytest.mark.parametrize(
    ("statement", "taken"),
    [
        ({"dnat": {"addr": "10.0.0.1", "port": 80}}, True),
        ({"redirect": {"port": 81}}, True),
        ({"redirect": None}, True),
        ({"dnat": {"addr": {"map": {"key": PORT, "data": "@others"}}}}, False),
    ],
)
def test_a_packet_is_lost_that_a_rule_of_nft_translates(statement: dict[str, Any], taken: bool) -> None:
    found = nft.read(listed(("c", [match(PORT, 80), statement])))
    assert dropped(found, "c", Kind.ACCEPT, NEW) == (Dropped("c", "4") if taken else None)
    assert dropped(found, "c", Kind.ACCEPT, UDP) is None

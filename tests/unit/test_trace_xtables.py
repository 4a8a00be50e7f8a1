"""iptables-restore scripts in the tracer: how packets walk through tables, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from ipaddress import ip_address

import pytest

from support.trace_nodes import ends, follow, node, packet, table
from svcc.verify.packet import Forwarded, Refusal, Vantage
from svcc.verify.trace import Binding, Draw, LoadError, Segment, TraceError, UnknownRule, trace

TO = "198.19.0.1:80/tcp"


def _mangle(*rules: str, source: str | None = None, to: str = TO) -> dict[str, Fraction]:
    return ends(node(iptables=table("mangle", *rules)), to, source)


# ---- walking


@pytest.mark.parametrize(
    ("rules", "end"),
    [
        (["-A PREROUTING -j DROP"], "drop"),
        (["-A PREROUTING -j ACCEPT", "-A PREROUTING -j DROP"], "untouched"),
        (["-A PREROUTING -j DROP", "-I PREROUTING -j ACCEPT"], "untouched"),
        (["-A PREROUTING -j DROP", "-A PREROUTING -j ACCEPT", "-I PREROUTING 2 -j ACCEPT"], "drop"),
        (["-A PREROUTING -j RETURN", "-A PREROUTING -j DROP"], "untouched"),
        (["-A PREROUTING -m comment --comment x", "-A PREROUTING -j DROP"], "drop"),  # a rule without a target
        ([":A - [0:0]", "-A PREROUTING -j A", "-A PREROUTING -j DROP"], "drop"),
        ([":A - [0:0]", "-A PREROUTING -j A", "-A A -j RETURN", "-A A -j ACCEPT", "-A PREROUTING -j DROP"], "drop"),
        ([":A - [0:0]", "-A PREROUTING -g A", "-A PREROUTING -j DROP"], "untouched"),  # the policy
        (
            [":A - [0:0]", ":B - [0:0]", "-A PREROUTING -j A", "-A A -g B", "-A A -j ACCEPT", "-A PREROUTING -j DROP"],
            "drop",
        ),
        ([":PREROUTING DROP [0:0]"], "drop"),
        ([":PREROUTING DROP [0:0]", ":A - [0:0]", "-A PREROUTING -g A", "-A A -j RETURN"], "drop"),
    ],
)
def test_walks(rules: list[str], end: str) -> None:
    assert _mangle(*rules) == {end: 1}


def test_the_order_of_tables_and_hooks() -> None:
    """Marks are added up in the order of the kernel's priorities; the last rule of all asks for the whole."""
    marks = {
        "raw": ["-A PREROUTING -j MARK --set-xmark 0x1/0xf"],
        "mangle": [
            "-A PREROUTING -m mark --mark 0x1 -j MARK --set-mark 0x2",
            "-A FORWARD -m mark --mark 0x3 -j MARK --set-mark 0x4",
            "-A POSTROUTING -m mark --mark 0x5 -j MARK --set-mark 0x6",
        ],
        "nat": [
            "-A PREROUTING -m mark --mark 0x2 -j MARK --set-mark 0x3",
            "-A POSTROUTING -m mark --mark 0x6 -j MARK --set-mark 0x7",
        ],
        "filter": ["-A FORWARD -m mark --mark 0x4 -j MARK --set-mark 0x5"],
    }
    kernel = node(iptables="".join(table(name, *rules) for name, rules in marks.items()))
    (way,) = follow(kernel, TO).ways
    assert way.mark == 7
    assert [step.hook for step in way.steps] == [
        *("prerouting", "prerouting", "prerouting", "routing", "forward", "forward", "postrouting", "postrouting")
    ]


def test_what_the_node_sends_to_itself_passes_all_hooks_but_forward() -> None:
    rules = [
        f"-A {hook} -m comment --comment {hook}" for hook in ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
    ]
    (way,) = follow(node(iptables=table("mangle", *rules)), "10.0.0.4:80/tcp", "10.0.0.4", Vantage.NODE).ways
    assert [step.hook for step in way.steps if step.place] == ["output", "postrouting", "prerouting", "input"]


def test_connection_tracking_begins_between_raw_and_mangle() -> None:
    raw = table("raw", "-A PREROUTING -m conntrack --ctstate NEW -j DROP")
    assert ends(node(iptables=raw), TO) == {"untouched": 1}
    assert _mangle("-A PREROUTING -m conntrack --ctstate NEW -j DROP") == {"drop": 1}


# ---- translation


def _nat(
    *rules: str, to: str = TO, source: str | None = None, vantage: Vantage = Vantage.CLIENT
) -> dict[str, Fraction]:
    return ends(node(iptables=table("nat", *rules)), to, source, vantage)


@pytest.mark.parametrize(
    ("destination", "end"),
    [
        ("100.64.0.1", "100.64.0.1:80"),
        ("100.64.0.1:8080", "100.64.0.1:8080"),
        ("100.64.0.1:70-90", "100.64.0.1:80"),
        ("100.64.0.1:5000-5099/80", "100.64.0.1:5000"),
        ("100.64.0.1:5000-5099/70", "100.64.0.1:5010"),
    ],
)
def test_destinations(destination: str, end: str) -> None:
    assert _nat(f"-A PREROUTING -p tcp -j DNAT --to-destination {destination}") == {end: 1}
    assert _nat(
        f"-A OUTPUT -p tcp -j DNAT --to-destination {destination}", source="10.0.0.4", vantage=Vantage.NODE
    ) == {end: 1}


def test_ipv6_destinations() -> None:
    for destination, port in (("[fd00:64::1]:8080", 8080), ("fd00:64::1", 80), ("[fd00:64::1]", 80)):
        rules = table("nat", f"-A PREROUTING -p tcp -j DNAT --to-destination {destination}")
        assert ends(node(ip6tables=rules), "[fd00:19::1]:80/tcp") == {f"fd00:64::1:{port}": 1}
        assert ends(node(ip6tables=rules), TO) == {"untouched": 1}


def test_a_translation_is_decided_once() -> None:
    twice = ("-A PREROUTING -d 198.19.0.1 -j DNAT --to-destination 100.64.0.1", "-A PREROUTING -j ACCEPT")
    assert _nat(*twice) == {"100.64.0.1:80": 1}
    looped = ("-A OUTPUT -j DNAT --to-destination 10.0.0.4", "-A PREROUTING -j DNAT --to-destination 100.64.0.1")
    assert _nat(*looped, source="10.0.0.4", vantage=Vantage.NODE) == {"10.0.0.4:80": 1}


def test_dnat_shows_in_the_state_only_if_something_changed() -> None:
    drop = table("filter", *(f"-A {hook} -m conntrack --ctstate DNAT -j DROP" for hook in ("FORWARD", "INPUT")))
    for to, end in (("100.64.0.1", "drop"), ("198.19.0.1", "198.19.0.1:80")):
        rules = table("nat", f"-A PREROUTING -j DNAT --to-destination {to}") + drop
        assert ends(node(iptables=rules), TO) == {end: 1}


def test_existing_connections_are_translated_without_the_chains() -> None:
    rules = table("nat", "-A PREROUTING -j DNAT --to-destination 100.64.0.1")
    drop = table("filter", "-A FORWARD -m conntrack --ctstate NEW -j DROP")
    kernel = node(iptables=rules + drop)
    binding = Binding(ip_address("100.64.0.9"), 8080, masquerade=True)
    (way,) = trace(kernel, packet(TO), binding=binding).ways
    assert (str(way.end.address), way.end.port, way.end.masquerade) == ("100.64.0.9", 8080, True)


def test_rejections_say_how_they_are_answered() -> None:
    rules = table("filter", "-A FORWARD -p tcp -j REJECT --reject-with tcp-reset", "-A FORWARD -j REJECT")
    kernel = node(iptables=rules)
    assert [w.end.answer for w in follow(kernel, TO).ways] == ["tcp-reset"]
    assert [w.end.answer for w in follow(kernel, "198.19.0.1:80/udp").ways] == ["icmp-port-unreachable"]


# ---- matches


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ("-s 192.0.2.0/24", True),
        ("-s 192.0.2.2", False),
        ("! -s 192.0.2.2", True),
        ("-d 198.19.0.1/255.255.255.255", True),
        ("-d 198.19.0.9/24", True),  # host bits are cut
        ("-p tcp", True),
        ("-p 17", False),
        ("! -p udp", True),
        ("-i lo", False),
        ("! -i lo", True),
        ("-i +", True),
        ("-p tcp -m tcp --dport 80", True),
        ("-p tcp --dport 79:81", True),
        ("-p tcp -m tcp ! --dport 80", False),
        ("-p tcp -m multiport --dports 22,79:81", True),
        ("-p tcp -m multiport ! --dports 22", True),
        ("-m conntrack --ctstate NEW,ESTABLISHED", True),
        ("-m conntrack --ctstate RELATED", False),
        ("-m conntrack ! --ctstate NEW", False),
        ("-m state --state NEW", True),
        ("-m conntrack --ctorigdst 198.19.0.0/24", True),
        ("-m conntrack --ctorigdstport 81", False),
        ("-m conntrack --ctproto tcp", True),
        ("-m addrtype --dst-type UNICAST", True),
        ("-m addrtype --dst-type LOCAL", False),
        ("-m addrtype ! --dst-type LOCAL", True),
        ("-m addrtype --src-type LOCAL", False),
        ("-m mark --mark 0", True),
        ("-m mark --mark 0x1/0x1", False),
        ("-m mark ! --mark 0x1/0x1", True),
        ('-m comment --comment "a \\"b\\" c"', True),
        ('-m bpf --bytecode "4,32 0 0 16,21 0 1 3323133953,6 0 0 1,6 0 0 0"', True),  # ld [16]; jeq 198.19.0.1
        ('-m bpf --bytecode "4,48 0 0 9,21 0 1 17,6 0 0 1,6 0 0 0"', False),  # ldb [9]: the protocol
        ('-m bpf --bytecode "4,40 0 0 22,21 0 1 80,6 0 0 1,6 0 0 0"', True),  # ldh [22]: the destination port
    ],
)
def test_matches(match: str, holds: bool) -> None:
    assert _mangle(f"-A PREROUTING {match} -j DROP") == {"drop" if holds else "untouched": 1}


def test_local_destinations() -> None:
    local = "-A PREROUTING -m addrtype --dst-type LOCAL -j DROP"
    assert [_mangle(local, to=f"{to}:80/tcp") for to in ("10.0.0.4", "127.0.0.1", "10.0.0.5", "224.0.0.1")] == [
        {"drop": 1},
        {"drop": 1},
        {"untouched": 1},
        {"untouched": 1},
    ]


def test_probabilities_are_numbers_of_31_bits() -> None:
    third = _mangle("-A PREROUTING -m statistic --mode random --probability 0.33333333349 -j DROP")
    assert third == {"drop": Fraction(715827883, 1 << 31), "untouched": 1 - Fraction(715827883, 1 << 31)}
    assert _mangle("-A PREROUTING -m statistic --mode random ! --probability 0.25 -j DROP") == {
        "drop": Fraction(3, 4),
        "untouched": Fraction(1, 4),
    }


def test_turns_are_counted_over_a_full_period() -> None:
    cascade = [
        "-A PREROUTING -p tcp -m statistic --mode nth --every 3 --packet 0 -j DNAT --to-destination 100.64.0.3",
        "-A PREROUTING -p tcp -m statistic --mode nth --every 2 --packet 1 -j DNAT --to-destination 100.64.0.2",
        "-A PREROUTING -p tcp -j DNAT --to-destination 100.64.0.1",
    ]
    assert _nat(*cascade) == {f"100.64.0.{n}:80": Fraction(1, 3) for n in (1, 2, 3)}
    uneven = [line.replace("--every 2", "--every 4").replace("--packet 1", "--packet 2") for line in cascade]
    assert _nat(*uneven) == {
        "100.64.0.3:80": Fraction(1, 3),
        "100.64.0.2:80": Fraction(1, 6),
        "100.64.0.1:80": Fraction(1, 2),
    }


def test_turns_behind_chance_are_not_followed() -> None:
    rules = [
        "-A PREROUTING -m statistic --mode random --probability 0.5 -j ACCEPT",
        "-A PREROUTING -m statistic --mode nth --every 2 -j DROP",
    ]
    with pytest.raises(UnknownRule, match="iptables:3: counts packets, but chance decides which ones come here"):
        _mangle(*rules)


def test_buckets_are_shares_of_one_hash() -> None:
    bucket = "-m cluster --cluster-total-nodes {} --cluster-local-nodemask {} --cluster-hash-seed 0x1"
    cascade = [
        f"-A PREROUTING {bucket.format(4, '0x1')} -j DNAT --to-destination 100.64.0.1",
        f"-A PREROUTING {bucket.format(2, '0x1')} -j DNAT --to-destination 100.64.0.2",
        "-A PREROUTING -j DNAT --to-destination 100.64.0.3",
    ]
    found = follow(node(iptables=table("nat", *cascade)), TO)
    assert [(str(end.address), share) for end, share in found.ends.items()] == [
        ("100.64.0.1", Fraction(1, 4)),
        ("100.64.0.2", Fraction(1, 4)),
        ("100.64.0.3", Fraction(1, 2)),
    ]
    assert {draw for way in found.ways for draw, _ in way.draws} == {Draw.CLIENT}


def _affinity(check: str, put: str = "--set --name {} --rsource") -> list[str]:
    rules = [f"-A PREROUTING -m recent {check.format(f'E{n}')} -j DNAT --to-destination 100.64.0.{n}" for n in (1, 2)]
    share = "-m statistic --mode random --probability 0.5"
    rules.append(f"-A PREROUTING {share} -m recent {put.format('E1')} -j DNAT --to-destination 100.64.0.1")
    return [*rules, f"-A PREROUTING -m recent {put.format('E2')} -j DNAT --to-destination 100.64.0.2"]


@pytest.mark.parametrize(
    ("check", "put", "affinity"),
    [
        ("--update --seconds 90 --name {} --rsource", "--set --name {} --rsource", 90),
        ("--update --seconds 90 --reap --name {}", "--set --name {}", 90),
        ("--rcheck --seconds 90 --name {}", "--set --name {}", None),  # not renewed by the next connection
        ("--update --seconds 90 --name {}", "--set --name X{}", None),  # another list
        ("--update --seconds 90 --name {} --rdest", "--set --name {}", None),
        ("--update --seconds 90 --name {} --mask 255.255.255.0", "--set --name {}", None),
        ("--update --seconds 90 --name {} --mask 255.255.255.0", "--set --name {} --mask 255.255.255.0", 90),
    ],
)
def test_recent_lists_keep_clients(check: str, put: str, affinity: int | None) -> None:
    found = follow(node(iptables=table("nat", *_affinity(check, put))), TO, "192.0.2.7").outcome
    assert isinstance(found, Forwarded)
    assert [choice.share for choice in found.choices] == [Fraction(1, 2), Fraction(1, 2)]
    assert found.affinity == affinity


# ---- what is refused


@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        ("-A PREROUTING -m quota --quota 1 -j DROP", UnknownRule, "`quota` is not known here"),
        ("-A PREROUTING -p tcp --tcp-option 8 -j DROP", UnknownRule, "`--tcp-option` is not known here"),
        ("-A PREROUTING -p tcp -m tcp --syn -j DROP", UnknownRule, "`--syn` is not known here"),
        ("-A PREROUTING -j LOG", UnknownRule, "`LOG` is not known here"),
        ("-A PREROUTING -j MARK --set-mark 1 --save", UnknownRule, "`--save` is not known here"),
        ("-D PREROUTING -j DROP", UnknownRule, "`-D` is not known here"),
        ("-A PREROUTING -m addrtype --dst-type ANYCAST -j DROP", UnknownRule, "ANYCAST is not known here"),
        ("-A PREROUTING -m conntrack --ctstate NEW --ctproto 6 -j DROP", UnknownRule, "-m conntrack with several"),
        ("-A PREROUTING -m statistic --mode random --probability 0.5 --every 2", UnknownRule, "these options of"),
        ("-A PREROUTING -j NOWHERE", LoadError, "there is no chain NOWHERE"),
        ("-A NOWHERE -j DROP", LoadError, "there is no chain NOWHERE"),
        ("-A PREROUTING -j DROP -j DROP", LoadError, "two targets"),
        ("-A PREROUTING -s fd00::1 -j DROP", LoadError, "fd00::1/128 is of another family"),
        ("-A PREROUTING -s x -j DROP", LoadError, "`x` cannot stand here"),
        ("-A PREROUTING -s 10.0.0.1 -s 10.0.0.2 -j DROP", LoadError, "an option is given twice"),
        ("-A PREROUTING -m tcp --dport 80 -j DROP", LoadError, "-m tcp needs -p tcp"),
        ("-A PREROUTING -p udp -m tcp --dport 80 -j DROP", LoadError, "-m tcp needs -p tcp"),
        ("-A PREROUTING -p tcp -m tcp --dport 80000 -j DROP", LoadError, "`80000` cannot stand behind --dport"),
        ("-A PREROUTING -p tcp -m tcp --dport ! 80 -j DROP", LoadError, "`!` stands before --dport, not behind it"),
        ("-A PREROUTING -m comment ! --comment x -j DROP", LoadError, "--comment cannot be negated"),
        (f"-A PREROUTING -m comment --comment {'x' * 256}", LoadError, "the comment has more than 255 bytes"),
        ("-A PREROUTING -m conntrack --ctstate OLD -j DROP", LoadError, "OLD is no state"),
        ("-A PREROUTING -m set --match-set S dst -j DROP", LoadError, "there is no set S"),
        ("-A PREROUTING -m statistic --mode random --probability 1.5", LoadError, "a probability is from 0 to 1"),
        ("-A PREROUTING -m statistic --mode nth --every 2 --packet 2", LoadError, "--packet is from 0 to --every - 1"),
        ("-A PREROUTING -m recent --set --seconds 5", LoadError, "--seconds is for --rcheck and --update, and not 0"),
        ("-A PREROUTING -m recent --name x", LoadError, "recent needs one of --set, --rcheck, --update and --remove"),
        ('-A PREROUTING -m bpf --bytecode "2,6 0 0 0"', LoadError, "2 instructions are announced, and there are 1"),
        ("-A PREROUTING -j REJECT", LoadError, "this target is not valid in the table mangle"),
        ("-A PREROUTING -j DNAT --to-destination 10.0.0.1", LoadError, "this target is not valid in the table mangle"),
        ("-A PREROUTING -j DNAT", LoadError, "DNAT needs --to-destination"),
        ("-A PREROUTING -j DNAT --to-destination 10.0.0.1:80", LoadError, "a port needs -p tcp, udp or sctp"),
        ("-A PREROUTING -o lo -j DROP", LoadError, "-o is not valid in PREROUTING"),
        ("-A POSTROUTING -i lo -j DROP", LoadError, "-i is not valid in POSTROUTING"),
        (f":{'x' * 29} - [0:0]", LoadError, f"{'x' * 29} has more than 28 characters"),
        (":PREROUTING - [0:0]", LoadError, "- is no policy"),
        ("*nat", LoadError, "the table before has no COMMIT"),
        ('-A PREROUTING -m comment --comment "x', LoadError, "a quote is not closed"),
    ],
)
def test_what_is_refused(rule: str, error: type[TraceError], message: str) -> None:
    with pytest.raises(error) as refused:
        node(iptables=table("mangle", rule))
    assert refused.value.message.startswith(message)
    assert str(refused.value.place) == "iptables:2"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (table("nat", "-A INPUT -j MASQUERADE"), "iptables:2: this target is not valid in INPUT"),
        (
            table("nat", ":A - [0:0]", "-A A -j MASQUERADE", "-A OUTPUT -j A"),
            "iptables:3: this target is not valid in OUTPUT",
        ),
        (
            table("nat", "-A POSTROUTING -j DNAT --to-destination 10.0.0.1"),
            "iptables:2: this target is not valid in POST",
        ),
        (
            table("filter", ":A - [0:0]", ":B - [0:0]", "-A A -j B", "-A B -j A"),
            "iptables:5: chain A leads back to itself",
        ),
        (table("filter", ":A - [0:0]", "-A A -j B", ":B - [0:0]"), "iptables:3: there is no chain B"),
        (table("nat", "-A PREROUTING -j DROP"), "iptables:2: this target is not valid in the table nat"),
        (table("filter", ":A - [0:0]", ":A - [0:0]"), "iptables:3: A is declared twice"),
        ("*filter\n-A INPUT -j DROP\n", "iptables:2: the last table has no COMMIT: it is not loaded"),
        ("-A INPUT -j DROP\n", "iptables:1: this stands in no table"),
        (table("broute"), "iptables:1: `broute` is not known here"),
    ],
)
def test_what_is_refused_of_scripts(lines: str, message: str) -> None:
    with pytest.raises(TraceError) as refused:
        node(iptables=lines)
    assert str(refused.value).startswith(message)


def test_chains_may_lead_16_deep() -> None:
    def nested(depth: int) -> str:
        names = [f"C{n}" for n in range(depth)]
        declared = [f":{name} - [0:0]" for name in names]
        calls = [f"-A {a} -j {b}" for a, b in zip(["PREROUTING", *names], [*names, "DROP"], strict=True)]
        return table("mangle", *declared, *calls)

    assert ends(node(iptables=nested(16)), TO) == {"drop": 1}
    with pytest.raises(LoadError, match="chains lead more than 16 deep from PREROUTING"):
        node(iptables=nested(17))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("-A PREROUTING -i eth0 -j DROP", "whether the device is eth0 is not known to a trace"),
        (
            '-A PREROUTING -m bpf --bytecode "2,40 0 0 20,22 0 0 0" -j DROP',
            "the bytecode asks for byte 20, which a trace",
        ),
    ],
)
def test_what_cannot_be_decided(rule: str, message: str) -> None:
    with pytest.raises(UnknownRule) as refused:
        _mangle(rule)
    assert refused.value.message.startswith(message)


def test_a_script_on_top_of_another_empties_the_chains_that_it_declares() -> None:
    from svcc.targets.interface import Artifact, Bundle, Part
    from svcc.verify.trace import load

    part = Part("iptables", "", "")
    first = table("mangle", ":A - [0:0]", "-A A -j DROP", "-A PREROUTING -j A")
    second = table("mangle", ":A - [0:0]")
    bundles = [Bundle("test", None, (Artifact(part, text),)) for text in (first, second)]
    assert ends(load(bundles[:1]), TO) == {"drop": 1}
    assert ends(load(bundles), TO) == {"untouched": 1}


# ---- segments that connection tracking calls INVALID


@pytest.mark.parametrize(
    ("rule", "dropped"),
    [
        ("-p tcp --sport 8080 -j DROP", True),
        ("-p tcp --sport 8081 -j DROP", False),
        ("-p tcp --tcp-flags SYN,RST NONE -j DROP", True),
        ("-p tcp --tcp-flags SYN,ACK ACK -j DROP", True),
        ("-p tcp ! --tcp-flags SYN,ACK ACK -j DROP", False),
        ("-p tcp --tcp-flags SYN,ACK SYN -j DROP", False),
        ("-p tcp --sport 8080 --tcp-flags ALL ACK -m conntrack --ctstate INVALID -j DROP", True),
        ("-m conntrack --ctstate NEW,ESTABLISHED -j DROP", False),
    ],
)
def test_invalid_segments(rule: str, dropped: bool) -> None:
    kernel = node(iptables=table("mangle", f"-A FORWARD {rule}"))
    (way,) = trace(kernel, packet(TO), segment=Segment(8080)).ways
    assert (way.end.refusal is Refusal.DROP) is dropped


def test_the_source_port_of_what_opens_a_connection_is_not_known() -> None:
    with pytest.raises(UnknownRule, match="source port"):
        trace(node(iptables=table("mangle", "-A FORWARD -p tcp --sport 80 -j DROP")), packet(TO))


@pytest.mark.parametrize("flags", ["SYN,FOO SYN", "SYN ACK"])
def test_no_flags_of_tcp(flags: str) -> None:
    with pytest.raises(LoadError, match="no flags"):
        node(iptables=table("mangle", f"-A FORWARD -p tcp --tcp-flags {flags} -j DROP"))

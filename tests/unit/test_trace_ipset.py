"""Sets in the tracer: what they contain for a packet, and what ``ipset restore`` refuses."""

from __future__ import annotations

import pytest

from support.trace_nodes import ends, node, table
from svcc.verify.packet import Vantage
from svcc.verify.trace import LoadError, TraceError, UnknownRule


def _dropped(sets: str, match: str, to: str, source: str | None = None, part: str = "iptables") -> bool:
    """Whether a rule with this match, which drops, drops the packet."""
    rules = table("mangle", f"-A PREROUTING -m set {match} -j DROP")
    return "drop" in ends(node(ipset=sets, **{part: rules}), to, source)


@pytest.mark.parametrize(
    ("create", "add", "sides", "to", "expected"),
    [
        ("hash:ip", "198.19.0.1", "dst", "198.19.0.1:80/tcp", True),
        ("hash:ip", "198.19.0.1", "src", "198.19.0.1:80/tcp", False),
        ("hash:ip", "192.0.2.1", "src", "198.19.0.1:80/tcp", True),
        ("hash:ip", "198.19.0.0/30", "dst", "198.19.0.3:80/tcp", True),
        ("hash:ip", "198.19.0.0/30", "dst", "198.19.0.4:80/tcp", False),
        ("hash:ip", "198.19.0.1-198.19.0.2", "dst", "198.19.0.2:80/tcp", True),
        ("hash:ip,port", "198.19.0.1,tcp:80", "dst,dst", "198.19.0.1:80/tcp", True),
        ("hash:ip,port", "198.19.0.1,80", "dst,dst", "198.19.0.1:80/tcp", True),  # tcp unless said otherwise
        ("hash:ip,port", "198.19.0.1,tcp:80", "dst,dst", "198.19.0.1:80/udp", False),
        ("hash:ip,port", "198.19.0.1,tcp:80-82", "dst,dst", "198.19.0.1:82/tcp", True),
        ("hash:ip,port", "198.19.0.1,sctp:80", "dst,dst", "198.19.0.1:80/sctp", True),
        ("hash:ip,port", "198.19.0.1,tcp:80", "dst", "198.19.0.1:80/tcp", False),  # too few fields: never
        ("hash:ip,port,ip", "198.19.0.1,tcp:80,192.0.2.1", "dst,dst,src", "198.19.0.1:80/tcp", True),
        ("hash:ip,port,ip", "198.19.0.1,tcp:80,192.0.2.2", "dst,dst,src", "198.19.0.1:80/tcp", False),
        ("hash:ip,port,net", "198.19.0.1,tcp:80,192.0.2.0/24", "dst,dst,src", "198.19.0.1:80/tcp", True),
        ("hash:net", "192.0.2.0/24", "src", "198.19.0.1:80/tcp", True),
        ("hash:net", "192.0.2.1", "src", "198.19.0.1:80/tcp", True),
        ("hash:net,port", "198.19.0.0/24,udp:53", "dst,dst", "198.19.0.1:53/udp", True),
        ("bitmap:port range 0-100", "80", "dst", "198.19.0.1:80/tcp", True),
        ("bitmap:port range 0-100", "80", "dst", "198.19.0.1:80/udp", True),
        ("bitmap:port range 0-100", "80", "dst", "198.19.0.1:80/sctp", False),  # reads no sctp ports
    ],
)
def test_what_is_in_a_set(create: str, add: str, sides: str, to: str, expected: bool) -> None:
    sets = f"create S {create}\nadd S {add}\n"
    assert _dropped(sets, f"--match-set S {sides}", to) is expected
    assert _dropped(sets, f"! --match-set S {sides}", to) is not expected


def test_the_longest_prefix_decides_and_may_say_no() -> None:
    sets = "create S hash:net\nadd S 192.0.0.0/8\nadd S 192.0.2.0/24 nomatch\nadd S 192.0.2.1\n"
    assert [
        _dropped(sets, "--match-set S src", "198.19.0.1:80/tcp", s) for s in ("192.0.2.1", "192.0.2.2", "192.1.1.1")
    ] == [
        True,
        False,
        True,
    ]


def test_a_set_of_the_other_family_holds_nothing() -> None:
    sets = "create S hash:net family inet6\nadd S ::/1\n"
    assert not _dropped(sets, "--match-set S src", "198.19.0.1:80/tcp")
    assert _dropped(sets, "--match-set S src", "[fd00::1]:80/tcp", "2001:db8::1", part="ip6tables")


def test_sets_are_read_where_the_source_was_masqueraded() -> None:
    """What leaves through loopback has the node's first address from then on."""
    sets = "create S hash:ip\nadd S 10.0.0.4\n"
    rules = table("nat", "-A POSTROUTING -j MASQUERADE") + table("filter", "-A INPUT -m set --match-set S src -j DROP")
    kernel = node(ipset=sets, iptables=rules)
    assert ends(kernel, "10.0.0.4:80/tcp", "127.0.0.1", Vantage.NODE) == {"drop": 1}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("create S hash:mac\n", UnknownRule, "`hash:mac` is not known here"),
        ("create S hash:ip timeout 5\n", UnknownRule, "`timeout` is not known here"),
        ("destroy S\n", UnknownRule, "`destroy` is not known here"),
        ("create S hash:ip\nadd S 192.0.2.1 timeout 5\n", UnknownRule, "`timeout` is not known here"),
        (f"create {'S' * 32} hash:ip\n", LoadError, f"{'S' * 32} has more than 31 characters"),
        ("add S 192.0.2.1\n", LoadError, "there is no set S"),
        ("create S hash:ip\ncreate S hash:net\n", LoadError, "the set S is there already, and is another one"),
        ("create S hash:ip\nadd S fd00::1\n", LoadError, "fd00::1 is of another family than the set S"),
        ("create S hash:ip,port\nadd S 192.0.2.1\n", LoadError, "192.0.2.1 does not have 2 parts, as hash:ip,port has"),
        ("create S hash:net\nadd S 0.0.0.0/0\n", LoadError, "no hash holds a /0"),
        ("create S hash:ip maxelem 1\nadd S 192.0.2.1\nadd S 192.0.2.2\n", LoadError, "the set S is full: maxelem 1"),
        ("create S bitmap:port\n", LoadError, "a bitmap needs a range"),
        ("create S bitmap:port range 1-9\nadd S 10\n", LoadError, "10 is outside of the range of S"),
        ("create S hash:ip,port\nadd S 192.0.2.1,tcp:x\n", LoadError, "`x` cannot stand here"),
        ('create S hash:ip comment\nadd S 192.0.2.1 comment "x\n', LoadError, "a quote is not closed"),
    ],
)
def test_what_is_refused(text: str, error: type[TraceError], message: str) -> None:
    with pytest.raises(error) as refused:
        node(ipset=text)
    assert refused.value.message.startswith(message)
    assert refused.value.place.line == text.count("\n")


def test_the_same_set_and_element_may_come_again() -> None:
    sets = 'create S hash:ip comment\nadd S 192.0.2.1 comment "a b"\ncreate S hash:ip\nadd S 192.0.2.1\n'
    assert _dropped(sets, "--match-set S src", "198.19.0.1:80/tcp", "192.0.2.1")
    assert not _dropped(sets, "--match-set S src", "198.19.0.1:80/tcp", "192.0.2.2")


def test_the_source_port_is_not_known() -> None:
    with pytest.raises(UnknownRule, match="iptables:2: asks for the client's port"):
        _dropped("create S hash:ip,port\n", "--match-set S dst,src", "198.19.0.1:80/tcp")

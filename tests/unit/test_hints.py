"""Hints that propose text: written as they say, the program is valid; and messages say what is so."""

from __future__ import annotations

import pytest

from svcc.compiler.load import load_text
from svcc.compiler.source import Source


def said(text: str) -> list[tuple[str, str, str | None]]:
    """Code, message and hint of all that is found."""
    return [(found.code.id, found.message, found.hint) for found in load_text(Source("hints.dsl", text)).diagnostics]


def hints(text: str) -> list[str | None]:
    return [hint for _, _, hint in said(text)]


def _service(*statements: str, endpoints: str = "100.64.0.9") -> str:
    return "\n  ".join(["service web {", *statements, f"endpoints {{ {endpoints} }}"]) + "\n}\n"


@pytest.mark.parametrize(
    ("ports", "named"),
    [
        (("53/udp", "53/tcp"), ("dns-udp 53/udp", "dns-tcp 53/tcp")),
        (("80/tcp", "443/tcp", "8080/tcp"), ("http 80/tcp", "https 443/tcp", "p8080 8080/tcp")),
        (("http 8080/tcp", "80/tcp"), ("http-tcp 80/tcp",)),
        (("5000-5001/udp", "5000/tcp"), ("p5000-udp 5000-5001/udp", "p5000-tcp 5000/tcp")),
        (("http-tcp 1/tcp", "http 2/tcp", "80/tcp"), ("http-2 80/tcp",)),
    ],
)
def test_the_names_that_are_proposed_for_ports_are_distinct(ports: tuple[str, ...], named: tuple[str, ...]) -> None:
    text = _service("vip 198.19.0.1", *(f"port {port}" for port in ports))
    assert said(text) == [
        ("SVC042", "service web has several ports, and this one has no name", f"name it: port {port}") for port in named
    ]
    for port in named:
        text = text.replace(f"port {port.split()[1]}", f"port {port}")
    assert said(text) == []


def test_a_name_is_proposed_for_a_port_with_more_behind_it() -> None:
    text = _service("vip 198.19.0.1", "port http 80/tcp", "port 443/tcp -> 8443 nodeport 30443")
    assert hints(text) == ["name it: port https 443/tcp …"]


_FORM = "a quoted name is ASCII, begins with a letter, a digit or `_`, and holds no blanks, quotes, `\\`, `[` or `]`"


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ('endpoints "9x"', 'declare it: endpoints "9x" { … }'),
        ('endpoints { 100.64.0.9 on "9a" }', 'declare it: node "9a" { address … }'),
        ('endpoints { 100.64.0.9 on "node a" }', _FORM),
        ('endpoints "wéb"', _FORM),
        ('endpoints { 100.64.0.9 on "4poolx" }', 'did you mean `"4pool"`?'),
        ('endpoints "4pol"', 'did you mean `"4pool"`?'),
    ],
)
def test_a_name_is_proposed_in_the_quotes_that_it_needs(statement: str, hint: str) -> None:
    text = f"service web {{ vip 198.19.0.1; port 80/tcp; {statement} }}\n"
    text += 'service x { vip 198.19.0.2; port 80/tcp; endpoints "4pool" }\nendpoints "4pool" { 100.64.0.8 }\n'
    assert hints(text + 'node "4pool" { address 10.0.0.4 }\n') == [hint]


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("node 9a 10.0.0.4", 'write: node "9a" { address 10.0.0.4 }'),
        ('node "9a" 10.0.0.4', 'write: node "9a" { address 10.0.0.4 }'),
        ('node "a" 10.0.0.4', "write: node a { address 10.0.0.4 }"),
        ("service name 9web { }", 'the name stands alone before the `{`: service "9web" { … }'),
        ("service 9web = {", 'a block stands in braces: service "9web" { … }'),
    ],
)
def test_a_slip_in_a_declaration_proposes_the_quotes_that_its_name_needs(written: str, hint: str) -> None:
    assert hints(f"{written}\n")[0] == hint


def test_a_pool_that_nothing_uses_is_proposed_in_quotes() -> None:
    assert hints('endpoints "9pool" { 100.64.0.9 }\n') == ['name it in a service: endpoints "9pool"']


_BALANCER = "balancer b {{ kind application; network vpc-1 subnet-1 subnet-2; listen 80/http; route / -> {} }}\n"


@pytest.mark.parametrize(
    ("served", "ports", "hint"),
    [
        ('"9to5"', '"1a" 80/tcp nodeport 30080; port b 81/tcp nodeport 30081', 'say which: "9to5":"1a" or "9to5":b'),
        ('"9to5":x', '"1a" 80/tcp nodeport 30080; port b 81/tcp nodeport 30081', 'it has "1a" and b'),
        ('"9to5":web', "80/tcp nodeport 30080", "its only port has no name: leave `:web` out"),
        ('"9to4":web', "web 80/tcp nodeport 30080", 'did you mean `"9to5"`?'),
    ],
)
def test_a_route_is_proposed_in_the_quotes_that_it_needs(served: str, ports: str, hint: str) -> None:
    text = f'service "9to5" {{ vip 198.19.0.1; port {ports}; endpoints {{ 100.64.0.9 }} }}\n'
    assert hints(text + _BALANCER.format(served)) == [hint]


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("vip $v", "198.19.0.1"),
        ("vip 198.19.0.2; external-ip $v", "203.0.113.7"),
        ("vip 198.19.0.2; snat $v", "203.0.113.8"),
        ("vip 198.19.0.2; endpoints { $v }", "100.64.0.9"),
        ("vip 198.19.0.2; allow-from $v; external-ip 203.0.113.7", "10.0.0.0/8"),
        ("vip 198.19.0.2; masquerade $v", "10.0.0.0/8"),
        ("vip 198.19.0.2 }; node a { address $v", "10.0.0.4"),
        ("vip 198.19.0.2 }; cluster { pods $v", "10.0.0.0/8"),
    ],
)
def test_the_let_that_is_proposed_fits_the_place(statement: str, value: str) -> None:
    first, *more = statement.split(" }; ")
    rest = "" if "endpoints" in first else "endpoints { 100.64.0.9 }"
    text = f"service web {{ port 80/tcp; {rest}; {first} }}\n" + "".join(f"{block} }}\n" for block in more)
    assert said(text) == [("SVC011", "`$v` is not declared", f"declare it: let v = [{value}]")]
    assert said(f"let v = [{value}]\n{text}") == []


def test_the_let_that_a_let_lacks_fits_the_place_of_the_first() -> None:
    text = f"let v = [$w]\n{_service('vip $v', 'port 80/tcp')}"
    assert hints(text) == ["declare it: let w = [198.19.0.1]"]


def test_a_let_is_close_to_another() -> None:
    text = _service("external-ip 203.0.113.7", "port 80/tcp", "masquerade $ofice", "allow-from $office")
    assert hints(f"let office = [10.0.0.0/8]\n{text}") == ["did you mean `$office`?"]


_LET_FORM = "a let's name begins with a letter or `_`, and holds letters, digits, `_`, `.` and `-`"


def test_a_let_has_a_name_that_can_be_used() -> None:
    assert said("let a/b = [10.0.0.0/8]\n") == [("SVC013", "`a/b` cannot be the name of a let", _LET_FORM)]


@pytest.mark.parametrize(
    ("used", "hint"), [("$a/b", _LET_FORM), ("$a/24", "a let has the lengths of its networks in it: [10.0.0.0/24]")]
)
def test_nothing_stands_behind_a_let(used: str, hint: str) -> None:
    text = _service("external-ip 203.0.113.7", "port 80/tcp", "allow-from $a", f"masquerade {used}")
    assert hints(f"let a = [10.0.0.0/8]\n{text}") == [hint]


_COMMAS = "only commas stand between the values of a let"
_GROUPS = "an IPv6 address has eight groups of up to four hexadecimal digits, and may have `::` for those that are zero"
_EMPTY = "a let holds at least one address or network: [10.0.0.0/8]"


@pytest.mark.parametrize(
    ("let", "hint"),
    [
        ("let a += [10.0.0.0/8]", "a let is declared once, with all that it holds: let a = [10.0.0.0/8]"),
        ("let a += [\n10.0.0.0/8]", "a let is declared once, with all that it holds: let a = [ … ]"),
        ("let a == [10.0.0.0/8]", "a let has a `=`: let a = [10.0.0.0/8]"),
        ("let a-b => [10.0.0.0/8]", "a let has a `=`: let a-b = [10.0.0.0/8]"),
        ("let a = []", _EMPTY),
        ("let a = [ # none\n]", _EMPTY),
        ("let a = [10.0.0.0/8\n, 10.1.0.0/16]", "a comma stands right behind a value, also at the end of a line"),
        ("let a = [10.0.0.0/8,, 10.1.0.0/16]", "one comma too many"),
        ("let a = [, 10.0.0.0/8]", "one comma too many"),
        ('let a = ["10.0.0.0/8"]', "without quotes: 10.0.0.0/8"),
        ("let a = [10.0.0.0/8; 10.1.0.0/16]", _COMMAS),
        ("let a = [10.0.0.0/8;\n10.1.0.0/16;\n]", _COMMAS),
        ("let a = [10.0.0.0/8,; 10.1.0.0/16]", _COMMAS),
        ("let a = [10.0.0.0/8 10.1.0.0/16]", _COMMAS),
        ("let a = [\n10.0.0.0/8\n10.1.0.0/16\n]", _COMMAS),
        ("let a = {10.0.0.0/8}", "values stand in square brackets: let a = [ … ]"),
        ("let a =", "write: let a = [10.0.0.0/8]"),
        ("let = [10.0.0.0/8]", "the name stands before the `=`: let office = [10.0.0.0/8]"),
        ("let a = [10.0.0.0/8", "a `]` is missing before it"),
    ],
)
def test_a_slip_in_a_let_is_one_error(let: str, hint: str) -> None:
    """The next line is none of it, except where the list does not end before it."""
    found = said(f"{let}\nservice web {{ vip 198.19.0.1; port 80/tcp; endpoints {{ 100.64.0.9 }} }}\n")
    assert [(code, hint) for code, _, hint in found] == [("SVC001", hint)]


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("198.19.0.01", "the numbers of an IPv4 address have no zeros in front: 198.19.0.1"),
        ("0198.019.000.1", "the numbers of an IPv4 address have no zeros in front: 198.19.0.1"),
        ("198.19.0.256", "the numbers of an IPv4 address are 0 to 255"),
        ("198.19.0.0256", "the numbers of an IPv4 address are 0 to 255"),
        ("198.19.0.a", "the numbers of an IPv4 address are decimal, such as 10.0.0.4"),
        ("198.19.1", "an IPv4 address has four numbers, such as 10.0.0.4"),
        ("198.19.0.0.1", "an IPv4 address has four numbers, such as 10.0.0.4"),
        ("198.19..1", "an IPv4 address has four numbers, such as 10.0.0.4"),
        ("198.19.0.1/24", "write one address, without the /24"),
        ("198.19.0.1:80", "write the address without a port: 198.19.0.1"),
        ("fd00::1::2", "an IPv6 address has `::` once at most"),
        ("fd00:::2", "an IPv6 address has `::` once at most"),
        ("fd00::12345", "a group of an IPv6 address has at most four hexadecimal digits"),
        ("::ffff:198.19.0.01", "the numbers of an IPv4 address have no zeros in front: 198.19.0.1"),
        ("fd00:1:2", _GROUPS),
        ("1:2:3:4:5:6:7:8:9", _GROUPS),
        (":1:2:3:4:5:6:7", _GROUPS),
        ("fd00::1:", _GROUPS),
    ],
)
def test_what_is_wrong_with_an_address_is_said_in_words_of_svcc(address: str, hint: str) -> None:
    """Python's own words are others in each release."""
    text = _service(f"vip {address}", "port 80/tcp", endpoints="")
    assert said(text) == [("SVC030", f"`{address}` is not an IP address", hint)]


@pytest.mark.parametrize(
    ("network", "hint"),
    [
        ("10.0.0.00/8", "the numbers of an IPv4 address have no zeros in front: 10.0.0.0"),
        ("10.0.0.0/33", "a prefix length is 0 to 32, with IPv6 0 to 128"),
        ("fd00::/129", "a prefix length is 0 to 32, with IPv6 0 to 128"),
        ("fd00::1::/64", "an IPv6 address has `::` once at most"),
    ],
)
def test_what_is_wrong_with_a_network_is_said_in_words_of_svcc(network: str, hint: str) -> None:
    text = _service("vip 198.19.0.1", "port 80/tcp", f"allow-from {network}")
    assert said(text) == [("SVC031", f"`{network}` is not a network", hint)]


@pytest.mark.parametrize(
    ("vip", "kind"),
    [
        ("::ffff:198.19.0.1", "an IPv4 address written as IPv6: write 198.19.0.1"),
        ("::FFFF:c613:1", "an IPv4 address written as IPv6: write 198.19.0.1"),
        ("fe80:0::1", "a link-local address, which means nothing beyond its link"),
        ("::1", "a loopback address"),
        ("127.0.0.1", "a loopback address"),
    ],
)
@pytest.mark.parametrize("cluster", ["", "cluster { services 198.19.0.0/16 fd00:19::/64 }\n"])
def test_an_address_that_cannot_serve_is_one_error_in_the_words_of_the_source(
    vip: str, kind: str, cluster: str
) -> None:
    found = said(cluster + _service(f"vip {vip}", "port 80/tcp"))
    assert [(code, message) for code, message, _ in found] == [("SVC033", f"vip {vip} is {kind}")]


def test_an_endpoint_that_cannot_serve_is_one_error_in_the_words_of_the_source() -> None:
    found = said(_service("vip 198.19.0.1", "port 80/tcp", endpoints="[::FFFF:100.64.0.9]:8080"))
    wanted = "endpoint ::FFFF:100.64.0.9 is an IPv4 address written as IPv6: write 100.64.0.9"
    assert [(code, message) for code, message, _ in found] == [("SVC033", wanted)]


def test_nodes_with_one_address_are_told_of_nodes() -> None:
    assert hints("node a { address 10.0.0.4 }\nnode b { address 10.0.0.4 }\n") == ["each node has addresses of its own"]


@pytest.mark.parametrize("statement", ["vip", "external-ip", "snat"])
@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("203.0.113.8-9", "both ends of a range are addresses: 203.0.113.8-203.0.113.9"),
        ("203.0.113.8 - 203.0.113.9", "a range has no blanks in it: 203.0.113.8-203.0.113.9"),
    ],
)
def test_every_statement_with_ranges_has_hints_about_them(statement: str, written: str, hint: str) -> None:
    vip = "" if statement == "vip" else "vip 198.19.0.1"
    assert hints(_service(vip, "port 80/tcp", f"{statement} {written}")) == [hint]


def test_where_no_range_can_stand_the_statements_with_ranges_are_named() -> None:
    text = _service("vip 198.19.0.1", "port 80/tcp", endpoints="100.64.0.9-100.64.0.12")
    assert hints(text) == ["only `vip`, `external-ip` and `snat` take ranges of addresses"]


_REMOVE = ", which cannot be seen: remove it"


@pytest.mark.parametrize(
    ("sign", "hint"),
    [
        ("\u00a0", "that is U+00A0 NO-BREAK SPACE: write a plain blank"),
        ("\u3000", "that is U+3000 IDEOGRAPHIC SPACE: write a plain blank"),
        ("\u2028", "that is U+2028 LINE SEPARATOR: end lines with LF or CRLF"),
        ("\u00ad", f"that is U+00AD SOFT HYPHEN{_REMOVE}"),
        ("\u200b", f"that is U+200B ZERO WIDTH SPACE{_REMOVE}"),
        ("\u202e", f"that is U+202E RIGHT-TO-LEFT OVERRIDE{_REMOVE}"),
        ("\u3164", f"that is U+3164 HANGUL FILLER{_REMOVE}"),
        ("\ufeff", "that is a byte order mark, which may stand at the beginning of a file only: remove it"),
        ("\r", "that is a carriage return without a line feed: end lines with LF or CRLF"),
    ],
)
@pytest.mark.parametrize("statement", ["scheduler{} rr", "scheduler r{}r"])
def test_a_character_that_is_hard_to_see_is_named(sign: str, hint: str, statement: str) -> None:
    assert hints(_service("vip 198.19.0.1", "port 80/tcp", statement.format(sign)))[0] == hint


@pytest.mark.parametrize("statement", ["sche\u00adduler rr", "masquerade 10.0.0.0/8\u00ad", "\u00adscheduler rr"])
def test_a_character_that_is_hard_to_see_is_named_in_every_word(statement: str) -> None:
    text = _service("vip 198.19.0.1", "port 80/tcp", statement)
    assert hints(text) == [f"that is U+00AD SOFT HYPHEN{_REMOVE}"]


_IE, _ES = "`е` is U+0435 CYRILLIC SMALL LETTER IE: ", "`с` is U+0441 CYRILLIC SMALL LETTER ES: "
_TOP = "`svcc`, `include`, `let`, `cluster`, `node`, `defaults`, `endpoints`, `service` or `balancer`"
_NAMES = "a name begins with a letter and has ASCII letters, digits, `_`, `.`, `/` and `-`"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("sеrvice web { }", f"{_IE}did you mean `service`?"),
        (_service("vip 198.19.0.1", "port 80/tсp"), f"{_ES}did you mean `tcp`? (it is `tcp`, `udp` or `sctp`)"),
        ("service wеb { }", f"{_IE}{_NAMES}"),
        (_service().replace("web", '"wеb"'), f"{_IE}{_FORM}"),
        (_service("vip 198.19.0.1", "port 80/tcp", endpoints='100.64.0.9 on "nodе-a"'), f"{_IE}did you mean `node-a`?"),
        ("node-а", "`а` is U+0430 CYRILLIC SMALL LETTER A: did you mean `node`?"),
        ("café\n", f"`é` is U+00E9 LATIN SMALL LETTER E WITH ACUTE: in a file can stand {_TOP}"),
    ],
)
def test_a_letter_that_looks_like_one_of_ascii_is_named(text: str, hint: str) -> None:
    assert hints(text + "\nnode node-a { address 10.0.0.4 }\n")[0] == hint


def test_controls_of_direction_are_errors_wherever_they_stand() -> None:
    """Comments are reviewed as well, and they could hide that a line is none (CVE-2021-42574)."""
    text = _service("vip 198.19.0.1", "port 80/tcp # \u202e } \u2066") + "# \u200f is a mark: it moves no other sign\n"
    hint = "remove it: a program is shown to people in the order in which svcc reads it"
    assert said(text) == [
        ("SVC001", "U+202E RIGHT-TO-LEFT OVERRIDE makes a line look other than it is", hint),
        ("SVC001", "U+2066 LEFT-TO-RIGHT ISOLATE makes a line look other than it is", hint),
    ]


def test_a_control_of_direction_in_a_statement_is_one_error() -> None:
    assert len(said(_service("vip 198.19.0.1", "port 80/tcp\u202e"))) == 1


@pytest.mark.parametrize(
    ("statement", "message", "hint"),
    [
        ("one-packet true", "`true` is no value of `one-packet`", "did you mean `yes`? (it is `yes` or `no`)"),
        ("traffic north local", "`north` is no value of `traffic`", "it is `external` or `internal`"),
        ("check tcp insecure", "`check tcp` takes no `insecure`", "only `check https` does"),
        ("check tcp /up", "`check tcp` takes no path", "only `check http` and `check https` do"),
        (
            "affinity client-ip/24/",
            "client-ip/24/ lacks the length of a prefix",
            "it is 1 to 128: client-ip/24 is a network of IPv4 clients, client-ip/24/64 one of IPv6 clients too",
        ),
    ],
)
def test_a_wrong_value_is_told_in_a_sentence(statement: str, message: str, hint: str) -> None:
    assert [found[1:] for found in said(_service("vip 198.19.0.1", "port 80/tcp", statement))] == [(message, hint)]

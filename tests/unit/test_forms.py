"""Services of a known form are read as the parser reads them word by word."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.files import texts_of_the_language
from svcc.compiler import syntax
from svcc.compiler.forms import Forms
from svcc.compiler.parse import Parser
from svcc.compiler.source import Source

TEXTS = [path.read_text(encoding="utf-8") for path in texts_of_the_language()]
WORD_BY_WORD = Parser(Forms(most=0))
OF_ALIKE = Parser(Forms(every=1, most=1))

#: What stands in services, right and wrong; some of it is of one form though it looks otherwise.
STATEMENTS = [
    *("vip 10.0.0.1\n", "vip 10.0.0.2;", " vip fd00::1 # note\n", "vip $all\n", "vip 10.0.0.1 shared\n", "vip a.b\n"),
    *("port 80/tcp\n", "port http 80/tcp -> 8080\r\n", 'port "9p" 53/udp\n', "port port 1-2/sctp nodeport 30000\n"),
    *(
        "scheduler rr\n",
        "scheduler sh by address\n",
        "scheduler vip\n",
        "affinity client-ip 3h per service\n",
        "port\n",
    ),
    *("endpoints { 10.1.0.1\n10.1.0.2 # b\n }\n", "endpoints web\n", "endpoints { 10.1.0.1 weight 2; 10.1.0.3 }\n"),
    *("endpoints {\n\n 10.1.0.1:80\n\n [fd00::1]:80\n}\n", "endpoints { }\n", "check http 8081 /healthz every 5s\n"),
    *("snat 10.0.0.1-10.0.0.3\n", "masquerade 10.0.0.0/8 10.1.0.0/16\n", "masquerade auto\n", "\n", "# note\n", "}\n"),
    *(
        "vip 10.0.0.1 10.0.0.2\n",
        "external-ip 10.0.0.9-10.0.0.10\n",
        "}",
        "%\n",
        "service\n",
        "vipvip\n",
        "service x {",
    ),
]
NAMES = ["web", "shop/web", '"9to5"', "vip", "service", "serviceservice", "10.0.0.1", "", "a b", "a-1"]
BETWEEN = [
    "\n",
    "\n\n# note\n",
    ";",
    "; ",
    "",
    " ",
    "let all = 10.0.0.1\n",
    "endpoints web { 10.0.0.5 }\n",
    "é\n",
    "\t",
]

services = st.tuples(
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(STATEMENTS), max_size=4).map("".join),
    st.sampled_from(BETWEEN),
).map(lambda parts: f"service {parts[0]} {{ {parts[1]}}}{parts[2]}")
texts = st.lists(services, max_size=4).map("".join)

ALIKE = "".join(
    f"service s{n} {{\n  vip 10.0.0.{n}\n  port 80/tcp nodeport 3000{n}\n  affinity client-ip 3h\n"
    f"  check http 8081 /healthz every 5s\n  endpoints web {{\n    10.1.0.{n} # {n}\n    10.2.0.{n}\n  }}\n}}\n\n"
    for n in range(1, 5)
)
PIECES = [
    "",
    " ",
    "\n",
    ";",
    "{",
    "}",
    "x",
    "-",
    ".",
    ":",
    "1",
    "/",
    "#",
    '"',
    "$",
    "é",
    "vip",
    " shared",
    "service",
    "\r",
    "\0",
]


def _told(part: Any) -> Any:
    """All that is to be known of a part of the syntax, with the places of its words."""
    if isinstance(part, syntax.Word):
        return part.type, str(part), part.value, part.start_pos, part.end_pos, part.line, part.column
    if isinstance(part, tuple):
        return [_told(one) for one in part]
    if is_dataclass(part) and not isinstance(part, Source):
        return type(part), [_told(getattr(part, field.name)) for field in fields(part)]
    return part


def _compare(parser: Parser, text: str) -> None:
    source = Source("main.dsl", text)
    file, found = parser.parse(source)
    expected, errors = WORD_BY_WORD.parse(source)
    assert _told(file) == _told(expected)
    assert found == errors


def test_files_are_read_as_word_by_word() -> None:
    parser = Parser(Forms(every=1, most=100))
    for text in [*TEXTS, *TEXTS]:
        _compare(parser, text)


@given(st.lists(texts, min_size=1, max_size=3))
def test_any_text_is_read_as_word_by_word_whatever_was_read_before(read: list[str]) -> None:
    parser = Parser(Forms(every=1, most=20))
    for text in [*read, "".join(read)]:
        _compare(parser, text)


@given(st.integers(0, len(ALIKE)), st.integers(0, 3), st.sampled_from(PIECES))
def test_a_service_that_is_nearly_of_a_form_is_read_as_word_by_word(at: int, out: int, piece: str) -> None:
    _compare(OF_ALIKE, f"svcc 1\n{ALIKE}{ALIKE[:at]}{piece}{ALIKE[at + out :]}")


def test_forms_that_are_of_no_use_are_given_up() -> None:
    forms = Forms(every=10, most=3)
    parser = Parser(forms)
    alike = "".join(f"service s{n} {{ vip 10.0.0.{n} }}\n" for n in range(1, 30))
    parser.parse(Source("main.dsl", f"svcc 1\n{alike}"))
    assert forms.read("service t { vip 10.0.1.1 }\n", 0)
    others = "".join(f"service u{n} {{ vip {'10.0.0.1 ' * n} }}\n" for n in range(2, 40))
    parser.parse(Source("main.dsl", f"svcc 1\n{others}"))
    assert not forms.read("service t { vip 10.0.1.1 }\n", 0)


@pytest.mark.parametrize("every", [1, 2, 50])
def test_services_of_a_known_form_are_read_by_it(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[syntax.Item] = []
    forms = Forms(every)
    parser, seen = Parser(forms), forms.read

    def told(text: str, at: int) -> tuple[syntax.Item, int] | None:
        found = seen(text, at)
        read.extend([found[0]] if found else [])
        return found

    monkeypatch.setattr(forms, "read", told)
    program = "".join(
        f"service s{n} {{ vip 10.0.0.{n}; port 80/tcp; endpoints {{ 10.1.0.{n} }} }}\n" for n in range(100)
    )
    file, found = parser.parse(Source("main.dsl", f"svcc 1\n{program}"))
    assert not found
    assert file is not None
    assert len(file.items) == 101
    assert read == [*file.items[every:]]

"""Labels of frontends, from names that people write: all different, and accepted by every tool."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.compiler.names import label, word

_NAMES = st.from_regex(r"[A-Za-z0-9_][!#-&(-Z^_a-~]{0,6}", fullmatch=True) | st.from_regex(
    r"[ab](-{1,3}[ab]){0,3}(-http)?", fullmatch=True
)


@pytest.mark.parametrize(
    ("service", "port", "expected"),
    [
        ("shop/web", None, "shop/web"),
        ("shop/web", "http", "shop/web-http"),
        ("service-1", None, "service-1"),
        ("a", "b", "a--b"),
        ("a-b", None, "a-b"),
        ("a", "b-c", "a--b-c"),
        ("a-b", "c", "a-b--c"),
        ("dns", "udp", "dns-udp"),
        ("dns-udp", None, "dns-udp-7920259c02"),
        ("9to5/web", "8080-tcp", "9to5/web--8080-tcp"),
        ("a@2", "http", "a_2-0984172834-http"),
    ],
)
def test_labels(service: str, port: str | None, expected: str) -> None:
    assert label(service, port) == expected


@given(_NAMES, st.none() | _NAMES, _NAMES, st.none() | _NAMES)
def test_no_two_ports_have_one_label(service: str, port: str | None, other: str, other_port: str | None) -> None:
    assert (label(service, port) == label(other, other_port)) is ((service, port) == (other, other_port))


@given(_NAMES, st.none() | _NAMES)
def test_a_label_is_taken_by_every_tool(service: str, port: str | None) -> None:
    """No blank, no sign that a shell, a restore file or JSON treats in a way of its own, no option's dash in front."""
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", label(service, port))
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", word(service))

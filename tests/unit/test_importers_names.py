"""Names for objects that other programs name differently, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.compiler.importers.names import Names, valid
from svcc.compiler.names import QUOTED


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("shop/web", "shop/web"),
        ("8080-tcp", "8080-tcp"),
        ("dns v6", "dns-v6"),
        ("café \N{SNOWMAN} bar", "caf-bar"),
        ('"[x]"', "x"),
        ("--", "unnamed"),
        ("", "unnamed"),
    ],
)
def test_the_nearest_name(text: str, name: str) -> None:
    assert valid(text) == name


@given(st.lists(st.text(max_size=200), max_size=8))
def test_names_are_valid_and_differ(texts: list[str]) -> None:
    names = Names()
    given = [names.fresh(text) for text in texts]
    assert len(set(given)) == len(given)
    assert all(QUOTED.fullmatch(name) for name in given)


def test_a_name_that_looks_like_a_second_one() -> None:
    names = Names()
    assert [names.fresh(name) for name in ("web-2", "web", "web", "web")] == ["web-2", "web", "web-3", "web-4"]

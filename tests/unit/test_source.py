"""Places in a text: the same as from a list of all lines, without making that list."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.compiler import source
from svcc.compiler.source import Source

TEXTS = st.text(alphabet="ab\n", max_size=60)


@pytest.fixture(autouse=True, params=[1, 3, 8, 1 << 16])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_BLOCK", request.param)


@given(st.data())
def test_a_position_is_that_of_its_line(data: st.DataObject) -> None:
    text = data.draw(TEXTS)
    offset = data.draw(st.integers(0, len(text)))
    before = text[:offset].split("\n")
    assert Source("a", text).position(offset) == (len(before), len(before[-1]) + 1)


@given(TEXTS)
def test_lines_are_those_of_the_text(text: str) -> None:
    made = Source("a", text)
    lines = text.split("\n")
    assert [made.line(number) for number in range(1, len(lines) + 1)] == lines


def test_a_text_of_ends_of_lines_takes_no_more_memory_than_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_BLOCK", 1 << 16)
    text = "\n" * (4 << 20)
    tracemalloc.start()
    try:
        assert Source("a", text).position(len(text)) == (len(text) + 1, 1)
        assert Source("a", text).line(len(text)) == ""
        assert tracemalloc.get_traced_memory()[1] < len(text) // 4
    finally:
        tracemalloc.stop()

"""Tables of doctor, lab and verify: whole rows in a pipe, whole sentences on a narrow terminal."""

from __future__ import annotations

import sys
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.tables import Row, fits, table

HEADS = ("", "needs", "found", "to get it")
ROWS: list[Row] = [
    ("✓", "nft", "/usr/sbin/nft 1.0.6", ""),
    ("✗", "kernel module ip_vs", "missing", "modprobe ip_vs, or a kernel that is built with CONFIG_IP_VS"),
    "and a sentence about it",
]


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def terminal(patch: pytest.MonkeyPatch, width: int) -> None:
    patch.setattr(sys, "stdout", _Terminal())
    patch.setenv("COLUMNS", str(width))


def test_a_pipe_gets_a_line_for_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", StringIO())
    monkeypatch.setenv("COLUMNS", "20")
    assert [*table(HEADS, ROWS)] == [
        "   needs                found                to get it",
        "✓  nft                  /usr/sbin/nft 1.0.6",
        "✗  kernel module ip_vs  missing              modprobe ip_vs, or a kernel that is built with CONFIG_IP_VS",
        "    and a sentence about it",
    ]


def test_a_terminal_that_is_wide_gets_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, 200)
    assert fits(HEADS, ROWS)
    assert len([*table(HEADS, ROWS)]) == 4


def test_a_narrow_terminal_gets_paragraphs(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch, 60)
    assert [*table(HEADS, ROWS)] == [
        "✓ nft",
        "    found: /usr/sbin/nft 1.0.6",
        "✗ kernel module ip_vs",
        "    found: missing",
        "    to get it: modprobe ip_vs, or a kernel that is built",
        "        with CONFIG_IP_VS",
        "    and a sentence about it",
    ]


_WORD = st.text("abc/✓:", min_size=1, max_size=30)
_CELL = st.lists(_WORD, max_size=12).map(" ".join)


@given(st.lists(st.tuples(_CELL, _CELL, _CELL) | _CELL.filter(bool), max_size=6), st.integers(40, 120))
def test_no_word_is_lost_and_no_line_is_wider_than_the_terminal(rows: list[Row], width: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        terminal(patch, width)
        lines = [*table(("", "one", "other"), rows)]
    words = [word for row in rows for cell in ([row] if isinstance(row, str) else row) for word in cell.split()]
    said = [word for line in lines for word in line.split() if word not in ("one", "other", "other:")]
    assert said == words
    assert all(len(line) <= width for line in lines)

"""Tables: whole rows in a pipe; on a narrow terminal whole sentences, and no different cells that look alike."""

from __future__ import annotations

import sys
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.columns import columns
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


ENDPOINTS = [
    ("web-http", "198.19.10.1:80/tcp", "100.64.0.9:8080", "1"),
    ("", "", "100.64.0.19:8080", "draining"),
    ("db", "198.19.10.2:80/tcp", "none"),
]


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            48,
            [
                "service   frontend       endpoint         weight",
                "web-http  198.19.10.1:…  100.64.0.9:8…         1",
                "                         100.64.0.19:…  draining",
                "db        198.19.10.2:…  none",
            ],
        ),
        (
            24,
            [
                "web-http",
                "    198.19.10.1:80/tcp",
                "    endpoint:",
                "        100.64.0.9:8080",
                "    weight: 1",
                "    endpoint:",
                "        100.64.0.19:8080",
                "    weight: draining",
                "db 198.19.10.2:80/tcp",
                "    endpoint: none",
            ],
        ),
    ],
)
def test_cells_are_cut_as_long_as_they_can_be_told_apart(
    width: int, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal(monkeypatch, width)
    assert [*columns(("service", "frontend", "endpoint", "weight"), ENDPOINTS, frozenset({3}))] == lines


@given(st.lists(st.tuples(_WORD, _WORD, _WORD), max_size=6), st.integers(40, 120))
def test_rows_that_differ_differ_on_every_terminal(rows: list[tuple[str, ...]], width: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        terminal(patch, width)
        lines = [*columns(("one", "other", "last"), rows)]
    assert len({*lines}) >= len({*rows})
    assert all(len(line) <= width for line in lines)

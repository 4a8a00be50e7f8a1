"""Stages: each node is in exactly one of them, and a stage means the same in every notation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.fleet.stages import USUAL, BadStage, Stage, nodes_of

ZONES: dict[str, str | None] = {"a": "east", "b": "west", "c": "east", "d": None}
_WORDS = st.sampled_from(["a", "d", "1%", "25%", "50%", "100%", "zone east", "zone west", "all"])


def _nodes(*words: str) -> tuple[tuple[str, ...], ...]:
    return nodes_of([Stage.parse(word) for word in words], ZONES)


@given(st.lists(_WORDS, max_size=5))
def test_no_node_is_in_two_stages(words: list[str]) -> None:
    found = [node for stage in _nodes(*words) for node in stage]
    assert len(found) == len({*found})
    assert all(_nodes(*words))
    assert {*found} == ZONES.keys() or not {"all", "100%"} & {*words}


@given(_WORDS)
def test_a_stage_is_written_as_it_was(word: str) -> None:
    assert str(Stage.parse(word)) == word


@pytest.mark.parametrize(
    ("words", "nodes"),
    [
        (USUAL, [("a",), ("b", "c", "d")]),
        (("d", "50%", "all"), [("d",), ("a",), ("b", "c")]),
        (("zone east", "all"), [("a", "c"), ("b", "d")]),
        (("1%", "26%", "100%"), [("a",), ("b",), ("c", "d")]),
        (("all", "a"), [("a", "b", "c", "d")]),
    ],
)
def test_what_stages_mean(words: tuple[str, ...], nodes: list[tuple[str, ...]]) -> None:
    assert [*_nodes(*words)] == nodes


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("0%", "is no stage"),
        ("101%", "is no stage"),
        ("zone", "has no node zone"),
        ("e", "the release has no node e: it is a, b, c or d"),
        ("zone eas", "no node of the release is in zone eas: did you mean `east`?"),
        ("a/b", "is no stage"),
    ],
)
def test_what_is_no_stage(word: str, message: str) -> None:
    with pytest.raises(BadStage) as error:
        _nodes(word)
    assert message in str(error.value)

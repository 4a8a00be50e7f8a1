"""Chance in the tracer: every result with its exact share."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from svcc.verify.trace.chance import Chance, explore


def _tenths(*cuts: int) -> list[Fraction]:
    return [Fraction(cut, 10) for cut in cuts]


def test_without_a_draw_there_is_one_way() -> None:
    assert list(explore(lambda _: "x")) == [(Fraction(1), "x")]


def test_certain_and_impossible_things_draw_nothing() -> None:
    assert list(explore(lambda c: (c.happens(Fraction(1)), c.happens(Fraction(0)), c.pick([Fraction(1)])))) == [
        (Fraction(1), (True, False, 0))
    ]


def test_a_cascade_shares_as_its_rules_say() -> None:
    def cascade(chance: Chance) -> str:
        return "a" if chance.happens(Fraction(1, 3)) else "b" if chance.happens(Fraction(1, 2)) else "c"

    assert list(explore(cascade)) == [(Fraction(1, 3), "a"), (Fraction(1, 3), "b"), (Fraction(1, 3), "c")]


def test_a_fresh_number_is_fresh_each_time() -> None:
    halves = _tenths(0, 5, 10)
    assert list(explore(lambda c: (c.segment(halves), c.segment(halves)))) == [
        (Fraction(1, 4), pair) for pair in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]


def test_a_hash_is_one_number_however_it_is_asked() -> None:
    def ask(chance: Chance) -> tuple[int, int, int]:
        return tuple(chance.segment(_tenths(*cuts), "key") for cuts in ((0, 5, 10), (0, 2, 10), (0, 5, 10)))  # type: ignore[return-value]

    assert list(explore(ask)) == [
        (Fraction(1, 5), (0, 0, 0)),
        (Fraction(3, 10), (0, 1, 0)),
        (Fraction(1, 2), (1, 1, 1)),
    ]


def test_hashes_of_different_keys_are_different_numbers() -> None:
    halves = _tenths(0, 5, 10)
    assert len(list(explore(lambda c: (c.segment(halves, "a"), c.segment(halves, "b"))))) == 4


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), max_size=4))
def test_shares_sum_to_one_and_no_way_comes_twice(draws: list[list[int]]) -> None:
    def run(chance: Chance) -> tuple[int, ...]:
        return tuple(chance.pick([Fraction(part, sum(parts)) for part in parts]) for parts in draws)

    ways = list(explore(run))
    assert sum(share for share, _ in ways) == 1
    assert max(Counter(result for _, result in ways).values()) == 1
    for share, result in ways:
        expected = Fraction(1)
        for parts, index in zip(draws, result, strict=True):
            expected *= Fraction(parts[index], sum(parts))
        assert share == expected

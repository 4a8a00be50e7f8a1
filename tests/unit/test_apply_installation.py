"""An installation that is read while somebody applies: what is forgotten meanwhile is not missed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from svcc.apply import state_files
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.scope import Scope
from svcc.apply.store import Store
from svcc.apply.summary import Summary

_NOTHING = Draft(None, Scope("CUSTOM"), Summary(), "")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """An installation of generations 1 and 2. Whoever reads 2 comes too late: 3 takes its place just before."""
    made = Store(tmp_path).installation("custom")
    for _ in range(2):
        made.make_current(made.record(_NOTHING).number)
    real: Callable[[Path, type[Generation]], Generation] = state_files.read_record

    def later(path: Path, kind: type[Generation]) -> Generation:
        if path == made.file(2, "json"):
            monkeypatch.undo()
            made.make_current(made.record(_NOTHING).number)
            made.forget(2)
        return real(path, kind)

    monkeypatch.setattr("svcc.apply.installation.read_record", later)
    return made


def test_what_is_in_place_is_what_came_instead(kept: Installation) -> None:
    current = kept.current
    assert current is not None
    assert current.number == 3


def test_the_others_are_listed(kept: Installation) -> None:
    assert [one.number for one in kept.generations()] == [1]


def test_one_that_is_asked_for_is_not_there(kept: Installation) -> None:
    with pytest.raises(state_files.StoreError, match="there is no generation 2"):
        kept.generation(2)


def test_a_current_one_that_is_lost_is_an_error(tmp_path: Path) -> None:
    made = Store(tmp_path).installation("custom")
    made.make_current(made.record(_NOTHING).number)
    made.forget(1)
    with pytest.raises(state_files.StoreError, match=r"custom/000001.json is damaged \(it is missing\)"):
        _ = made.current

"""A service with another name: rules of IPVS know no names, and stay; what svcc says of them has the new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.apply_world import World
from support.command_line import svcc
from support.schemas import follows
from support.shell import PROGRAM

pytestmark = [pytest.mark.vm, pytest.mark.kernel]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "a.dsl").write_text(PROGRAM)
    (tmp_path / "b.dsl").write_text(PROGRAM.replace("service web", "service shop"))


def test_status_says_the_new_name(world: World, tmp_path: Path) -> None:
    old, new = ([str(tmp_path / name), "-t", "ipvs"] for name in ("a.dsl", "b.dsl"))
    with world.inside():
        assert svcc("apply", *old, "-q").status == 0
        planned = svcc("plan", *new)
        assert (planned.status, planned.text.splitlines()[0]) == (1, "~ service web -> shop")
        assert svcc("apply", *new, "-q").text == "Generation 2 is in place: it was there already.\n"
        assert svcc("plan", *new).status == 0
        assert _services() == {"shop", "dns"}
        assert svcc("rollback").status == 0
        assert _services() == {"web", "dns"}


def _services() -> set[str]:
    return {one["service"] for one in follows("status", svcc("status", "--json").text)["listeners"]}

"""A full disk while an apply waits to be confirmed: the rules of before come back all the same."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.apply_faults import NEW, OLD
from support.apply_world import World
from support.shell import A, B, Shell
from svcc.apply import engine, planning
from svcc.apply.confirm import Pending
from svcc.exits import Exit
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A node whose state directory is a small file system of its own."""
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "svcc-test", state], check=True)
    namespace = Namespace("full")
    try:
        yield World(namespace, state)
    finally:
        namespace.close()
        subprocess.run(["umount", state], check=True)


def _fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_what_a_full_disk_has_no_room_for_is_named(world: World, tmp_path: Path) -> None:
    """However far an apply comes: the old rules or the new ones are in place, and are recorded."""
    shell = Shell(world.namespace, tmp_path, world)
    shell.svcc("apply", "a.dsl", "-t", "nft")
    filler = world.store.root / "filler"
    _fill(filler)
    refused = 0
    while (done := shell.ended("apply", "b.dsl", "-t", "nft")).returncode:
        assert done.returncode in (Exit.MACHINE, Exit.RESTORED), done
        named = rf"^svcc: {re.escape(str(world.store.root))}/custom/[a-z0-9][a-z0-9.-]*: No space left on device$"
        assert re.search(named, done.stderr, re.MULTILINE), done
        assert shell.endpoints() == A
        shell.svcc("status")
        os.truncate(filler, filler.stat().st_size - 4096)
        refused += 1
    assert refused > 1
    assert shell.endpoints() == B
    shell.svcc("status")


def test_what_is_not_confirmed_goes_on_a_full_disk(world: World) -> None:
    world.apply(OLD, "nft")
    installation = world.store.installation("custom")
    Pending("token", installation.number, 0.0, "another start of the machine").write(installation)
    old, new = world.draft(OLD, "nft"), world.draft(NEW, "nft")
    with world.inside():
        plan = planning.make_plan(installation, new)
        engine.perform(plan, installation, new, lambda _: None)
    filler = world.store.root / "filler"
    _fill(filler)

    with pytest.raises(OSError, match="No space left"):
        world.settle()
    assert not world.machine(old, new).differing(*world.states(old, new))

    filler.unlink()
    assert world.settle() == ["generation 2 was not confirmed: generation 1 is back"]
    assert not world.machine(old, new).differing(*world.states(old, new))
    assert world.recorded("custom") == old.hash
    assert Pending.read(installation) is None

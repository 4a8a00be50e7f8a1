"""A disk on which nothing can be written: the rules of before, or of before a restart, come back all the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.apply_faults import NEW, OLD
from support.apply_world import World
from support.shell import A, B, Shell, end_watchdog, time_runs_out
from support.waiting import until
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


def _make_read_only(path: Path) -> None:
    """Wait until no process that was killed has a file open to write, and make a file system read-only."""
    remount = ("mount", "-o", "remount,ro", path)
    until(lambda: subprocess.run(remount, capture_output=True, check=False).returncode == 0, "a read-only disk")


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


@pytest.mark.parametrize("full", [True, False], ids=["full", "read-only"])
def test_a_restart_needs_to_write_nothing(world: World, tmp_path: Path, *, full: bool) -> None:
    shell = Shell(world.namespace, tmp_path, world)
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.run("nft", "flush", "ruleset")
    state = world.store.root
    _fill(state / "filler") if full else _make_read_only(state)
    why = "No space left on device" if full else "Read-only file system"
    done = shell.svcc("restore", "-q")
    assert done.stdout == "CUSTOM: generation 1 is in place again.\n"
    warning = rf"svcc: warning: CUSTOM: nothing can be recorded: {state}/custom/[0-9a-z.]+: {why}\n"
    assert re.fullmatch(warning, done.stderr), done
    assert shell.endpoints() == A
    assert shell.svcc("restore", "-q").stdout == "CUSTOM: generation 1 is in place.\n"


@pytest.mark.parametrize("full", [True, False], ids=["full", "read-only"])
@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_gone_back_to_but_not_recorded_is_what_status_shows(
    world: World, tmp_path: Path, *, full: bool, restarted: bool
) -> None:
    shell = Shell(world.namespace, tmp_path, world)
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    end_watchdog(shell)
    time_runs_out(shell)
    state = world.store.root
    _fill(state / "filler") if full else _make_read_only(state)
    if restarted:
        shell.run("nft", "flush", "ruleset")
    assert shell.svcc("restore", "-q").stdout.startswith("CUSTOM: generation 1 is in place")
    assert shell.endpoints() == A
    lines = shell.svcc("status").stdout.splitlines()
    assert lines[0].startswith("CUSTOM: generation 1 (nft), ")
    assert lines[1] == (
        "What came after it was not confirmed in time, and is undone. "
        "The next command that changes anything records that, once it can write."
    )
    assert lines[-1] == "The kernel holds what was applied."
    document = json.loads(shell.svcc("status", "--json").stdout)
    assert (document["generation"]["number"], document["unconfirmed"], document["drift"]) == (1, None, [])


def test_a_damaged_bundle_is_made_anew_where_nothing_can_be_written(world: World, tmp_path: Path) -> None:
    shell = Shell(world.namespace, tmp_path, world)
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.run("nft", "flush", "ruleset")
    (world.store.root / "custom/000001.bundle").write_text("x")
    _make_read_only(world.store.root)
    assert shell.svcc("restore", "-q").stdout == "CUSTOM: generation 1 is in place again.\n"
    assert shell.endpoints() == A

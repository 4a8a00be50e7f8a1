"""A generation that is recorded as a change is written whole: wherever that stops, the generation is read as before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from support.forgetful_disk import Disk, PowerLoss
from svcc.apply import whole
from svcc.apply.drafts import make_draft
from svcc.apply.driver import Fingerprint
from svcc.apply.fingerprints import record_fingerprints, recorded_parts
from svcc.apply.generation import ChangeDraft, Generation
from svcc.apply.installation import Installation
from svcc.apply.scope import scope_of_program
from svcc.apply.services_change import ServicesChange, change_of
from svcc.apply.store import Store
from svcc.apply.wanted import from_program
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source
from svcc.kernel.steps import StepError
from svcc.targets import targets

PROGRAM = """\
cluster { prefix CUSTOM }
service db { vip 198.19.20.0; port 5432/tcp; endpoints { 100.64.0.10 } }
service web { vip 198.19.10.0; port 80/tcp; endpoints { 100.64.0.1; 100.64.0.2 weight 3 } }
"""
LOOKS = {"nft": Fingerprint("", None, "a mark")}


class _Killed(BaseException):
    """The process ends here."""


@dataclass(frozen=True)
class Kept:
    """An installation whose current generation is kept as a change."""

    root: Path
    installation: Installation
    generation: Generation

    def read(self) -> object:
        """All that is read of it, as a process does that comes after this one."""
        installation = Store(self.root).installation("custom")
        there = installation.generation(self.generation.number)
        installation.check(there.number)
        program = installation.program(there)
        assert program is not None
        return installation.bundle(there), installation.summary(there), program.text, installation.number


def program_of(text: str) -> ir.Program:
    program = load_text(Source("test.dsl", text)).program
    assert program is not None
    return program


@pytest.fixture(params=["nft", "iptables", "ipvs"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    installation = Store(tmp_path).installation("custom")
    old, new = program_of(PROGRAM), program_of(PROGRAM.replace("100.64.0.1;", "100.64.0.7;"))
    scope = scope_of_program(old)
    first = installation.record(make_draft(from_program(old, targets()[request.param], None, "test.dsl"), scope))
    change = ServicesChange(change_of([one for one in new.services if one.name == "web"], new, None))
    second = installation.record(
        ChangeDraft(first, installation.program_hash(first), change, replace(scope, bundles=()), "test.dsl")
    )
    installation.make_current(second.number)
    record_fingerprints(installation, second, LOOKS)
    return Kept(tmp_path, installation, second)


def test_it_is_the_same_when_it_is_whole(kept: Kept) -> None:
    before = kept.read()
    digest = whole.write_by_process(kept.root, "custom", kept.generation)
    assert kept.read() == before
    there = whole.take_over(kept.installation, kept.generation, digest)
    assert there == kept.installation.current == replace(kept.generation, base=None, hash=digest)
    assert kept.read() == before
    assert recorded_parts(kept.installation, there).fingerprints == LOOKS
    assert kept.installation.compiled(there) is not None
    names = {path.suffix for path in kept.installation.path.glob("000002.*")}
    assert names == {".json", ".bundle", ".services", ".program", ".looks", ".compiled"}


@pytest.mark.parametrize("kept", ["nft"], indirect=True)
def test_it_is_the_same_wherever_that_ends(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call that writes, renames or removes may be the last."""
    before, calls, last = kept.read(), 0, 0

    def ending(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == last:
                raise _Killed
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        for module, name in ((os, "replace"), (os, "fsync"), (os, "open"), (Path, "unlink")):
            patched.setattr(module, name, ending(getattr(module, name)))
        for last in count(1):
            calls, current = 0, kept.installation.current
            assert current is not None
            try:
                digest = whole.write(kept.installation, kept.generation) if current.base is not None else current.hash
                if current.base is not None:
                    whole.take_over(kept.installation, kept.generation, digest)
            except _Killed:
                calls, ended = 1 << 20, last
                assert kept.read() == before
                if kept.installation.current != current:
                    break
                continue
            pytest.fail(f"it ended by itself, at call {calls}")
    assert ended > 8
    assert kept.read() == before
    assert kept.installation.generation(2).base is None


@pytest.mark.parametrize("kept", ["nft"], indirect=True)
def test_it_is_the_same_after_a_loss_of_power_at_any_call(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What was not synced may be there or not."""
    random = Random(1)
    for number in count(1):
        for choose in (lambda: False, lambda: True, lambda: random.random() < 0.5, lambda: random.random() < 0.5):
            root = shutil.copytree(kept.root, tmp_path_factory.mktemp("power") / "state")
            copy = Kept(root, Store(root).installation("custom"), kept.generation)
            before = copy.read()
            with pytest.MonkeyPatch.context() as losing:
                disk = Disk(copy.installation.path, losing, number)
                disk.sync()
                with suppress(PowerLoss):
                    whole.take_over(copy.installation, kept.generation, whole.write(copy.installation, kept.generation))
            disk.forget(choose)
            assert copy.read() == before, number
        if disk.count < number:
            break
    assert number > 8


def test_what_is_not_taken_over_is_removed(kept: Kept) -> None:
    before = {*kept.installation.path.iterdir()}
    whole.write(kept.installation, kept.generation)
    assert {*kept.installation.path.iterdir()} > before
    whole.discard(kept.installation, kept.generation.number)
    assert {*kept.installation.path.iterdir()} == before
    whole.write(kept.installation, kept.generation)
    kept.installation.forget(kept.generation.number)
    assert not [*kept.installation.path.glob("000002.*")]


def test_one_that_is_gone_is_not_written(kept: Kept) -> None:
    kept.installation.forget(kept.generation.number)
    with pytest.raises(StepError, match="there is no generation 2"):
        whole.write_by_process(kept.root, "custom", kept.generation)

"""A disk that is full, broken or read-only, from any call of an apply on.

The kernel holds the old rules or the new ones, and everything works again when the disk does.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import svcc
from support.shell import OTHER, PROGRAM, A, B, Shell
from svcc.apply import files
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source

pytestmark = pytest.mark.kernel


class Disk:
    """Fails from a call on: for good, or once. ``calls`` are those that write, or those that remove as well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, calls: tuple[str, ...], code: int, *, once: bool) -> None:
        self._code = code
        self._once = once
        self.at = 0  # the number of the call, from 1; 0: never
        self.count = 0
        for name in calls:
            monkeypatch.setattr(files, name, self._failing(getattr(files, name)))

    def _failing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Path, *more: Any, **options: Any) -> Any:
            self.count += 1
            if self.at and (self.count == self.at or (self.count > self.at and not self._once)):
                raise OSError(self._code, "the disk", str(path))
            return real(path, *more, **options)

        return call


def read(text: str) -> ir.Program:
    program = load_text(Source("svc.dsl", text)).program
    assert program is not None
    return program


FULL = ("write", "make_directory")  # what is there can be removed still
DEAD = (*FULL, "remove")


@pytest.mark.parametrize("once", [True, False], ids=["once", "for good"])
@pytest.mark.parametrize(
    ("calls", "code"),
    [(FULL, errno.ENOSPC), (DEAD, errno.EIO), (DEAD, errno.EROFS)],
    ids=["full", "broken", "read-only"],
)
def test_a_disk_that_fails_at_any_call(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, calls: tuple[str, ...], code: int, once: bool
) -> None:
    disk = Disk(monkeypatch, calls, code, once=once)
    with shell.namespace.entered(), svcc.Session("nft", state_dir=shell.folder / "state") as kept:
        kept.apply(kept.plan(read(PROGRAM)))
        disk.count = 0
        kept.apply(kept.plan(read(OTHER)))
        total = disk.count
        assert total > 5
        for at in range(1, total + 1):
            kept.apply(kept.plan(read(PROGRAM)))
            assert shell.endpoints() == A
            plan = kept.plan(read(OTHER))
            disk.count, disk.at = 0, at
            done = False
            with suppress(svcc.SvccError, OSError):
                kept.apply(plan)
                done = True
            assert shell.endpoints() in ((B,) if done else (A, B))
            disk.at = 0
            kept.apply(kept.plan(read(OTHER)))
            assert shell.endpoints() == B
            assert kept.plan(read(OTHER)).empty

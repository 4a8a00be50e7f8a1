"""A disk whose machine may lose its power. What was not synced by then may be on the disk, or not.

A file's contents are on disk after its fsync, its name after that of the directory (fsync(2)). Of later changes any may
be there and others not, in whatever order they were made.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

#: What identifies a file, whatever its name, until somebody writes to it: its inode, and its time of change.
_File = tuple[int, int]


class PowerLoss(BaseException):
    """The power is gone: nothing reaches the disk any more."""


class Disk:
    """A directory without subdirectories. ``at``: at which call, counted from 1, the power goes instead; 0 for
    never."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self._folder, self._at = folder, at
        self.count = 0
        self._synced: set[_File] = set()
        self._content: dict[_File, bytes] = {}
        self._names: Mapping[str, _File] = {}  # names that are on disk
        for name in ("fsync", "replace", "unlink"):
            monkeypatch.setattr(os, name, self._counting(getattr(os, name)))

    def sync(self) -> None:
        """Sync everything that is there."""
        self._names = self._there()
        self._synced.update(self._names.values())

    def _counting(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(what: Any, *more: Any, **options: Any) -> Any:
            self.count += 1
            if self._at and self.count >= self._at:
                raise PowerLoss
            done = real(what, *more, **options)
            if isinstance(what, int):
                self._note(what)
            return done

        return call

    def _note(self, handle: int) -> None:
        """Note that something was synced."""
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            self._names = self._there()
        else:
            self._synced.add((found.st_ino, found.st_mtime_ns))

    def _there(self) -> dict[str, _File]:
        files = {}
        for path in self._folder.iterdir():
            if not path.name.startswith("."):  # not a draft, which nobody reads
                found = path.stat()
                files[path.name] = found.st_ino, found.st_mtime_ns
                self._content[files[path.name]] = path.read_bytes()
        return files

    def forget(self, choose: Callable[[], bool]) -> None:
        """Leave on disk what may be there. ``choose`` says for each name and content whether its last change is
        there."""
        now = self._there()
        left = {name: (now if choose() else self._names).get(name) for name in sorted({*now, *self._names})}
        for path in self._folder.iterdir():
            path.unlink()
        for name, file in left.items():
            if file is not None:
                whole = file in self._synced or choose()
                (self._folder / name).write_bytes(self._content[file] if whole else b"")

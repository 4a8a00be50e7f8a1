"""A disk whose machine may lose its power: what was not synced by then is there, or it is not.

Of a file the content is on disk after its fsync, its name after that of the directory (fsync(2)). Of what comes after
that anything may be there and the rest not, in whatever order it was done.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

#: A file whatever it is called, for as long as nobody writes to it: its inode, and when it was written.
_File = tuple[int, int]


class PowerLoss(BaseException):
    """Nothing reaches the disk any more."""


class Disk:
    """One directory without others in it. ``at``: the number of the call, from 1, in whose place the power goes; 0:
    never."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self._folder, self._at = folder, at
        self.count = 0
        self._synced: set[_File] = set()
        self._content: dict[_File, bytes] = {}
        self._names: Mapping[str, _File] = {}  # that are on disk
        for name in ("fsync", "replace", "unlink"):
            monkeypatch.setattr(os, name, self._counting(getattr(os, name)))

    def sync(self) -> None:
        """All that is there is on disk."""
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
        """Something was synced."""
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            self._names = self._there()
        else:
            self._synced.add((found.st_ino, found.st_mtime_ns))

    def _there(self) -> dict[str, _File]:
        files = {}
        for path in self._folder.iterdir():
            if not path.name.startswith("."):  # a draft, which is nobody's
                found = path.stat()
                files[path.name] = found.st_ino, found.st_mtime_ns
                self._content[files[path.name]] = path.read_bytes()
        return files

    def forget(self, choose: Callable[[], bool]) -> None:
        """Have on disk what may be. ``choose``: whether what was done last is; asked for each name and content."""
        now = self._there()
        left = {name: (now if choose() else self._names).get(name) for name in sorted({*now, *self._names})}
        for path in self._folder.iterdir():
            path.unlink()
        for name, file in left.items():
            if file is not None:
                whole = file in self._synced or choose()
                (self._folder / name).write_bytes(self._content[file] if whole else b"")

"""The state directory: what was applied, generation by generation, and what is under way.

    STATE/lock                   locked by the process that changes anything, which writes its number and the time into
                                 it; shared by those that only read
    STATE/NAME/                  an installation: everything under one prefix; NAME is the prefix in lower case
        current                  the number of the generation that is in the kernel; no file: none
        000007.json              a generation: target, node, time, hash, who, …; or a note to one: the same program,
                                 served in another way while endpoints fail their checks
        000007.bundle            its bundle, as compile prints it
        000007.services          which frontends and endpoints it has
        000007.program           the program that it was compiled from; missing where it was a bundle
        000007.change            in place of these three files: the services in which it differs from an earlier one
        000007.bundle.whole      (and the same of the other two) while a process writes them to replace the change
        000007.looks             the fingerprints of the kernel's parts while it is there; may be missing
        000007.source            what it was compiled from; may be missing
        000007.compiled          says, with digests, that this svcc made its rules from its program; may be missing
        journal.json             only while an apply is under way, or was killed
        confirm.json             only while an apply waits to be confirmed
        keeper                   locked by a session for as long as it lives; says which process and which program it is

All are written so that they are whole or not there, and only their owner can read them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self, TextIO

from svcc.apply import files
from svcc.apply.installation import Installation
from svcc.apply.state_files import Locked, StoreError, private, trust
from svcc.compiler.prefix import FORM, is_prefix

#: Seconds between two tries to take a lock that somebody else holds.
_PAUSE = 0.05


class Store:
    """A state directory. Errors of all methods: StoreError, OSError."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._before: str | None = None  # the stamp before this store took the lock
        self.own = ""  # the stamp since this store took the lock; "": it could not be written

    @property
    def stamp(self) -> str:
        """A text that is another one whenever somebody else took the lock to change anything. While this store holds
        the lock, it is the text from before. "" where it is not known: nobody ever took the lock, or the disk was
        full."""
        if self._before is not None:
            return self._before
        try:
            return (self.root / "lock").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def installation(self, name: str) -> Installation:
        """Return the records of a prefix, whether or not anything was ever applied under it. ``name``: the prefix in
        lower case. Errors: StoreError where it can be no prefix."""
        if not is_prefix(name):
            raise StoreError(f"`{name}` cannot be a prefix: {FORM}")
        return Installation(self.root / name)

    def installations(self) -> list[Installation]:
        """Return the installations that have a history: a current generation, or an apply under way; sorted by name."""
        if not self.root.is_dir():
            return []
        return [one for one in map(Installation, self._trusted()) if one.has_history]

    def _trusted(self) -> list[Path]:
        """Return the folders of all installations, sorted by name. Errors: StoreError where others may write to them or
        to the state directory."""
        trust(self.root)
        found = [path for path in sorted(self.root.iterdir()) if is_prefix(path.name) and path.is_dir()]
        for path in found:
            trust(path)
        return found

    @contextmanager
    def locked(self, patience: float = 30.0) -> Iterator[Self]:
        """Hold the lock alone. ``patience``: the seconds to wait for it at most. Errors: Locked."""
        files.make_directory(self.root)
        self._trusted()
        with _opened(self.root / "lock") as file:
            _lock(file.fileno(), fcntl.LOCK_EX, patience, lambda: _holder(self.root / "lock"))
            self._before = self.stamp
            try:
                self.own = _say_who(file.fileno())
                yield self
            finally:
                self._before = None

    @contextmanager
    def reading(self, patience: float = 30.0) -> Iterator[str]:
        """Hold the lock together with others that only read; nobody changes anything meanwhile. Give the stamp.

        ``patience``: as of :meth:`locked`. Errors: Locked.
        """
        try:
            file = open(self.root / "lock", "rb", opener=private)  # noqa: SIM115
        except FileNotFoundError:  # nobody ever changed anything
            yield ""
            return
        with file:
            _lock(file.fileno(), fcntl.LOCK_SH, patience, lambda: _holder(self.root / "lock"))
            yield self.stamp


def _opened(path: Path) -> TextIO:
    """Open the lock to write into it; on a read-only file system, where flock(2) takes it as well, to read it.

    Errors: OSError, StoreError.
    """
    try:
        return open(path, "a+", encoding="utf-8", opener=private)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return open(path, encoding="utf-8", opener=private)


def _say_who(handle: int) -> str:
    """Write into the lock file which process holds it, and when it took it. Return that text; "" where it could not be
    written, on a full or read-only disk for example. The lock is held all the same."""
    stamp = f"{os.getpid()} {time.monotonic_ns()}\n"
    with suppress(OSError):
        os.ftruncate(handle, 0)
        if os.write(handle, stamp.encode()) == len(stamp):
            return stamp
    return ""


def _lock(handle: int, how: int, patience: float, holder: Callable[[], str]) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Locked(f"another svcc is at work here{holder()}; try again when it is done") from None
            time.sleep(_PAUSE)


def _holder(path: Path) -> str:
    """Return who holds the lock, as part of a sentence; "" where that is not known."""
    process, _, _ = path.read_text(encoding="utf-8").partition(" ")
    return f" (process {process})" if process.isdigit() else ""

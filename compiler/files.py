"""Reading what somebody names as an input: regular files only, and no more of them than a limit.

A FIFO or a device may never end, and a file below /proc may wait for ever. Nothing of that is opened.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from errno import EISDIR
from pathlib import Path

#: Bytes of all the texts of one input together.
LIMIT = 64 << 20
#: Bytes that are read at once.
_PIECE = 1 << 20
#: What a shell calls the descriptors that it hands over (`<(command)`): they are read as standard input is.
_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
#: The ends of names whose text may be quoted in messages, also to somebody for whom root reads it.
_SVCC_FILES = (".dsl",)


class Unreadable(ValueError):
    """A file is not to be read. ``str()`` is the reason, without the file's name."""


@contextmanager
def named(path: Path) -> Iterator[None]:
    """What goes wrong while a file is written names it. The kernel names none that is open, and of others the draft."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None
        raise


@dataclass(slots=True)
class Budget:
    """How many bytes may still be read for one input."""

    left: int = LIMIT
    #: What is read in place of files, by their resolved paths: texts that an editor has and that are not saved.
    unsaved: Mapping[str, bytes] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        """What is in a file, or in standard input where ``name`` is ``-``. Errors: Unreadable."""
        try:
            return self._read(name)
        except (OSError, ValueError) as error:
            raise Unreadable(error.strerror if isinstance(error, OSError) else str(error)) from None

    def _read(self, name: str) -> bytes:
        if name == "-":
            if sys.stdin is None:
                raise ValueError("standard input is closed")
            return self._taken(sys.stdin.buffer.read(self.left + 1))
        if self.unsaved and (data := self.unsaved.get(str(resolved(name)))) is not None:
            return self._taken(data)
        handle = _opened(name)
        try:
            return self._drained(handle)
        finally:
            os.close(handle)

    def _drained(self, handle: int) -> bytes:
        pieces: list[bytes] = []
        while piece := os.read(handle, min(_PIECE, self.left + 1)):
            pieces.append(self._taken(piece))
        return b"".join(pieces)

    def _taken(self, piece: bytes) -> bytes:
        self.left -= len(piece)
        if self.left < 0:
            raise Unreadable(f"it is more than svcc reads: {LIMIT >> 20} MiB of text in all")
        return piece


def demand_file(name: str) -> None:
    """Refuses what somebody else is to read, and what might never end, or cannot be opened. Errors: Unreadable."""
    try:
        os.close(_opened(name))
    except (OSError, ValueError) as error:
        raise Unreadable(error.strerror if isinstance(error, OSError) else str(error)) from None


def _opened(name: str) -> int:
    """A descriptor of a regular file, or of what a shell handed over."""
    given = name.startswith(_DESCRIPTORS)
    if not given:
        _demand_regular(os.stat(name))
    handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | (0 if given else os.O_NONBLOCK))
    try:
        if not given:
            _demand_regular(os.fstat(handle))
    except BaseException:
        os.close(handle)
        raise
    return handle


def _demand_regular(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    if not stat.S_ISREG(found.st_mode) or found.st_dev == _device_of("/proc"):
        raise Unreadable("it is no regular file")


def _device_of(path: str) -> int | None:
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def resolved(path: str | Path) -> Path:
    """A path with its links followed, as far as they lead anywhere: of a loop, one of its links. Where one may not be
    followed, the path as it is, which cannot be read either.

    What pathlib raises at a loop before Python 3.13 is no OSError.
    """
    try:
        return Path(os.path.realpath(path))
    except OSError:  # links of /proc
        return Path(os.path.abspath(path))


def may_quote(path: Path, *also: str) -> bool:
    """Whether messages may show lines of a file that is not what it should be.

    Who is not root sees nothing that the kernel does not let them see. Root may run svcc on a file of somebody else,
    whose ``include "/etc/shadow"`` must not show them that. So root is shown lines of those files only that are svcc's
    by name (with links followed): ``.dsl``, and what ends in ``also``.
    """
    return os.geteuid() != 0 or resolved(path).name.endswith((*_SVCC_FILES, *also))

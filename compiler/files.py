"""Reads the files that somebody names as input: regular files only, and at most a limit of bytes.

A FIFO or a device may never end, and a file below /proc may wait for ever. svcc opens none of these.
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

#: The most bytes that all texts of one input may have together.
LIMIT = 64 << 20
#: Bytes that are read at once.
_PIECE = 1 << 20
#: Names of descriptors that a shell hands over (`<(command)`). svcc reads them as it reads standard input.
_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
#: Suffixes of files whose text may be quoted in messages, even where root reads the file for somebody else.
_SVCC_FILES = (".dsl",)


class Unreadable(ValueError):
    """svcc must not read a file. ``str()`` is the reason, without the file's name."""


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Name ``path`` in an OSError of the block.

    The kernel gives no name for an open file, and else that of the draft.
    """
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None
        raise


@dataclass(slots=True)
class Budget:
    """How many bytes may still be read for one input."""

    left: int = LIMIT
    #: Texts to read in place of files, by the files' resolved paths: an editor has them, and has not saved them.
    unsaved: Mapping[str, bytes] = field(default_factory=dict)

    def read(self, name: str) -> bytes:
        """Return the bytes of a file, or of standard input where ``name`` is ``-``. Errors: Unreadable."""
        try:
            return self._read(name)
        except (OSError, ValueError) as error:
            raise Unreadable(error.strerror if isinstance(error, OSError) else str(error)) from None

    def _read(self, name: str) -> bytes:
        if name == "-":
            if sys.stdin is None:
                raise ValueError("standard input is closed")
            return self._within_limit(sys.stdin.buffer.read(self.left + 1))
        if self.unsaved and (data := self.unsaved.get(str(resolved(name)))) is not None:
            return self._within_limit(data)
        handle = _opened(name)
        try:
            return self._read_to_end(handle)
        finally:
            os.close(handle)

    def _read_to_end(self, handle: int) -> bytes:
        pieces: list[bytes] = []
        while piece := os.read(handle, min(_PIECE, self.left + 1)):
            pieces.append(self._within_limit(piece))
        return b"".join(pieces)

    def _within_limit(self, piece: bytes) -> bytes:
        self.left -= len(piece)
        if self.left < 0:
            raise Unreadable(f"it is more than svcc reads: {LIMIT >> 20} MiB of text in all")
        return piece


def demand_file(name: str) -> None:
    """Check that a file which another program is to read can be opened and has an end. Errors: Unreadable."""
    try:
        os.close(_opened(name))
    except (OSError, ValueError) as error:
        raise Unreadable(error.strerror if isinstance(error, OSError) else str(error)) from None


def _opened(name: str) -> int:
    """Open a regular file, or what a shell handed over, and return its descriptor."""
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
        raise Unreadable("it is not a regular file")


def _device_of(path: str) -> int | None:
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def resolved(path: str | Path) -> Path:
    """Return a path with its links followed as far as possible. In a loop, that is one of its links. Where a link may
    not be followed, it is the path unchanged, which cannot be read either.

    Before Python 3.13, what pathlib raises at a loop is no OSError.
    """
    try:
        return Path(os.path.realpath(path))
    except OSError:  # links of /proc
        return Path(os.path.abspath(path))


def may_quote(path: Path, *also: str) -> bool:
    """Whether messages may show lines of a file that is not what it should be.

    Any user but root sees only what the kernel lets them see. Root may run svcc on a file of somebody else, whose
    ``include "/etc/shadow"`` must not show that file to its author. So root sees only lines of files that are svcc's by
    name (with links followed): ``.dsl``, and names that end in one of ``also``.
    """
    return os.geteuid() != 0 or resolved(path).name.endswith((*_SVCC_FILES, *also))


def is_shown(name: str) -> bool:
    """Whether messages may show lines of a file that was named so.

    As root, they show none of a file to which a link of another name leads: somebody else may have made the link. Such
    a name says nothing of what the file is, unless it is svcc's own.
    """
    if name.startswith(_DESCRIPTORS) or not os.path.lexists(name):
        return True
    return may_quote(Path(name)) or resolved(name).name == os.path.basename(name)

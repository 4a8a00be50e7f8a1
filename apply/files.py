"""Files that are whole or not there: what a crash, a full disk or a second reader may meet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from svcc.compiler.files import named


def make_directory(path: Path) -> None:
    """A directory that only its owner may look into, and its parents. Errors: OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write(path: Path, text: str, *, lasting: bool = True, whole: bool = True) -> None:
    """Replace a file by one with this text, as :func:`replacing` does. Errors: OSError, with its name."""
    with replacing(path, lasting=lasting, whole=whole) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


@contextmanager
def replacing(path: Path, *, lasting: bool = True, whole: bool = True) -> Iterator[BinaryIO]:
    """A file that replaces another one when all is written, mode 0600: on disk before it has its name.
    Errors: OSError, with the name of ``path``.

    Not ``lasting``: when the machine loses its power, it may be as it was before; a later file of the same directory
    that lasts makes this one last as well. Not ``whole``: it may be torn, too.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with named(path):
        try:
            draft.unlink(missing_ok=True)  # of a process of this number that was killed
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with open(handle, "wb") as file:
                yield file
                file.flush()
                if whole:
                    os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:
            with suppress(OSError):
                draft.unlink()
            raise
        if lasting:
            sync(path.parent)


def remove(path: Path) -> None:
    """Remove a file, if it is there, for good. Errors: OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync(path.parent)


def sync(directory: Path) -> None:
    """Have the names in a directory on disk. Errors: OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Write files so that a crash, a full disk or a second reader finds them whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from svcc.compiler.files import named


def make_directory(path: Path) -> None:
    """Make a directory that only its owner may look into, and its parents, where they are missing. Errors: OSError."""
    if path.is_symlink() and not path.exists():  # mkdir says of it that it exists
        raise FileNotFoundError(errno.ENOENT, "it is a symbolic link that leads nowhere", str(path))
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write(path: Path, text: str, *, lasting: bool = True, whole: bool = True) -> None:
    """Replace a file by one with this text, as :func:`replacing` does. Errors: OSError, with the name of ``path``."""
    with replacing(path, lasting=lasting, whole=whole) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


@contextmanager
def replacing(path: Path, *, lasting: bool = True, whole: bool = True) -> Iterator[BinaryIO]:
    """Give a file to write, mode 0600, that replaces ``path`` when the ``with`` block ends. It is on disk before it has
    that name. Errors: OSError, with the name of ``path``.

    ``lasting``: where this is False and the machine loses its power, the old file may be back; a later file of the same
    directory that is lasting makes this one last as well. ``whole``: where this is False, the file may then be torn.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with named(path):
        try:
            draft.unlink(missing_ok=True)  # a killed process of the same number may have left it
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
    """Remove a file, if there is one, also from the disk. Errors: OSError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync(path.parent)


def sync(directory: Path) -> None:
    """Wait until the names in a directory are on disk (fsync(2)). Errors: OSError."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

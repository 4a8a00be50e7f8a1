"""Open and read files of the state directory. Their content is checked like any other input, and only their owner can
read them."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from svcc.compiler.errors import SvccError

_Record = TypeVar("_Record")


class StoreError(SvccError):
    """The state directory cannot be used; the message says why."""


class Damaged(StoreError):
    """A file of the state directory is damaged. ``path``: the file; ``what``: which it is and why, as a sentence."""

    def __init__(self, path: Path, why: str) -> None:
        self.path = path
        self.what = f"{path} is damaged ({why})"
        remedy = "run `svcc apply` or `svcc delete`: both go on from what is in the kernel"
        super().__init__(f"{self.what}; {remedy}")


class Locked(StoreError):
    """Another process holds the lock."""


def private(path: str, flags: int) -> int:
    """Open a file of the store so that only its owner can read it, and return its descriptor. ``open`` takes this
    function as its ``opener``.

    Errors: OSError; StoreError where the path is a symbolic link, as the file that it leads to is not svcc's.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StoreError(f"{path} is a symbolic link, which svcc does not follow") from None
        raise


def trust(directory: Path) -> None:
    """Check that nobody else may write to a directory: whoever can decides what root puts into the kernel.

    Errors: StoreError; OSError.
    """
    found = directory.stat()
    if found.st_uid not in (0, os.geteuid()):
        raise StoreError(f"{directory} belongs to somebody else (uid {found.st_uid}), who could change what is applied")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreError(f"others may write to {directory}, and change what is applied: chmod go-w {directory}")


def read_record(path: Path, kind: type[_Record]) -> _Record:
    """Read an object of a dataclass from a JSON file that has its fields. Errors: FileNotFoundError; StoreError where
    the file cannot be read, or holds something else."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(path, error.strerror or str(error)) from None
    except (ValueError, RecursionError):
        raise Damaged(path, "it is no JSON") from None
    hints: dict[str, Any] = get_type_hints(kind)
    if not isinstance(data, dict) or not data.keys() <= hints.keys():
        raise Damaged(path, "it has other fields than svcc writes")
    for name, value in data.items():
        hint = dict if get_origin(hints[name]) is dict else hints[name]
        if not isinstance(value, hint) and (hint, type(value)) != (float, int):
            raise Damaged(path, f"{name} is {value!r}"[:100])
    try:
        return kind(**data)
    except TypeError:
        raise Damaged(path, "something is missing") from None


def text_of(path: Path) -> str:
    """Return the text of a file. Bytes that are no UTF-8 become surrogates (see :func:`bytes_of`). Errors:
    StoreError."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except OSError as error:
        raise Damaged(path, error.strerror or str(error)) from None


def bytes_of(text: str) -> bytes:
    """Return the bytes to write for a text. Bytes that were no UTF-8 when it was read are the same again."""
    return text.encode("utf-8", "surrogateescape")

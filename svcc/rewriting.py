"""Replacing a file that belongs to a user: the whole new text or the old, with everything else about it kept."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from errno import EINVAL
from pathlib import Path
from secrets import token_hex

from svcc.compiler.files import resolved


def rewrite(name: str, data: bytes) -> None:
    """Replace what is in a file. A link is followed; mode, owner, group and extended attributes stay.

    Errors: OSError, and the file is as it was; also where it cannot be given to its owner, and where it is no
    regular file.
    """
    path = resolved(name)
    before = path.stat()
    if not stat.S_ISREG(before.st_mode):
        raise OSError(EINVAL, "it is no regular file", name)
    draft = path.with_name(f".svcc.{token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            _give(handle, path, before)
            os.fsync(handle)
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def _give(handle: int, path: Path, before: os.stat_result) -> None:
    """Make an open file as the one at ``path`` is, but for what is in it."""
    if not _is_given(os.fstat(handle), before):
        os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, stat.S_IMODE(before.st_mode))
    with suppress(OSError):  # of a file system without them
        for attribute in os.listxattr(path):
            with suppress(OSError):  # some are the kernel's own
                os.setxattr(handle, attribute, os.getxattr(path, attribute))


def _is_given(made: os.stat_result, before: os.stat_result) -> bool:
    return (made.st_uid, made.st_gid) == (before.st_uid, before.st_gid)

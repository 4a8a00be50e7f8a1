"""Replace a user's file, so that it holds the whole new text or the old one, and keeps everything else about it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from errno import EINVAL
from pathlib import Path
from secrets import token_hex

from svcc.compiler.files import resolved


def rewrite(name: str, data: bytes) -> None:
    """Replace the contents of a file. A link is followed; mode, owner, group and extended attributes stay.

    Errors: OSError, and the file is unchanged; also where the new file cannot be given to the owner, and where it is no
    regular file.
    """
    path = resolved(name)
    before = path.stat()
    if not stat.S_ISREG(before.st_mode):
        raise OSError(EINVAL, "it is not a regular file", name)
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
    """Give an open file the owner, group, mode and extended attributes of the file at ``path``."""
    if not _is_given(os.fstat(handle), before):
        os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, stat.S_IMODE(before.st_mode))
    with suppress(OSError):  # this file system may have no extended attributes
        for attribute in os.listxattr(path):
            with suppress(OSError):  # some attributes are set by the kernel alone
                os.setxattr(handle, attribute, os.getxattr(path, attribute))


def _is_given(made: os.stat_result, before: os.stat_result) -> bool:
    return (made.st_uid, made.st_gid) == (before.st_uid, before.st_gid)

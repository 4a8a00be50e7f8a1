"""Who keeps a prefix: as long as a session lives, nobody else changes what is under its prefix.

The store's lock is held for one apply. This one is a lock on a file of the installation, STATE/NAME/keeper, for as long
as its holder wants it; the kernel gives it up when the process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from svcc.apply import files
from svcc.apply.installation import Installation
from svcc.apply.state_files import Locked, private

#: Bytes of what a keeper says of itself that are read.
_SAID = 500


class Kept(Locked):
    """Somebody else keeps the prefix; ``keeper`` is who, as they say themselves ("" where they did not)."""

    def __init__(self, installation: Installation, keeper: str) -> None:
        by = f" by {keeper}" if keeper else ""
        super().__init__(f"prefix {installation.name.upper()} is kept{by}: it alone changes what is there")
        self.keeper = keeper


class Keeper:
    """The lock of one prefix, held until :meth:`release`."""

    def __init__(self, installation: Installation, what: str) -> None:
        """``what``: who keeps it, for those who are refused: "svcc agent /etc/svcc/shop.dsl".

        Errors: Kept, OSError, StoreError.
        """
        files.make_directory(installation.path)
        self._handle = private(str(installation.keeper), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            keeper = _said(self._handle)
            self.release()
            raise Kept(installation, keeper) from None
        with suppress(OSError):  # a full disk is no reason to leave the prefix to others
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"process {os.getpid()}, {what}\n".encode("utf-8", "surrogateescape"), 0)

    def release(self) -> None:
        """Let others at the prefix. A second call does nothing."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def check_free(installation: Installation) -> None:
    """For a command that is to change something, and holds the store's lock, under which alone keepers begin.

    Errors: Kept; OSError, StoreError.
    """
    if installation.keeper.exists():
        Keeper(installation, "a command").release()


def is_kept(installation: Installation) -> bool:
    """Whether a session keeps the prefix, for a command that only looks, and holds the store's lock together with
    others. Errors: OSError, StoreError."""
    if not installation.keeper.exists():
        return False
    handle = private(str(installation.keeper), os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _said(handle: int) -> str:
    line = os.pread(handle, _SAID, 0).decode("utf-8", "replace").partition("\n")[0]
    return "".join(sign for sign in line if sign.isprintable())

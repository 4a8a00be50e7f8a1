"""The lock by which a session keeps a prefix: as long as the session lives, nobody else changes objects under it.

The store's lock is held for one apply. This one is held for as long as its holder wants. It is a lock on a file of the
installation, STATE/NAME/keeper, which the kernel releases when the process ends, however it ends (flock(2)).
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from svcc.apply import files
from svcc.apply.installation import Installation
from svcc.apply.state_files import Locked, private

#: How many bytes are read of what a keeper wrote about itself.
_LIMIT = 500


class Kept(Locked):
    """Somebody else keeps the prefix. ``keeper`` says who, in that holder's own words; "" where it gave none."""

    def __init__(self, installation: Installation, keeper: str) -> None:
        by = f" by {keeper}" if keeper else " by another process"
        super().__init__(f"prefix {installation.name.upper()} is kept{by}: only that process can change it")
        self.keeper = keeper


class Keeper:
    """The lock of one prefix, held until :meth:`release`."""

    def __init__(self, installation: Installation, what: str) -> None:
        """Take the lock. Errors: Kept, OSError, StoreError.

        ``what``: who takes it, for the message to others that are refused: "svcc agent /etc/svcc/shop.dsl".
        """
        files.make_directory(installation.path)
        self._handle = private(str(installation.keeper), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            keeper = _words(self._handle)
            self.release()
            raise Kept(installation, keeper) from None
        with suppress(OSError):  # a full disk is no reason to leave the prefix to others
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, f"process {os.getpid()}, {what}\n".encode("utf-8", "surrogateescape"), 0)

    def release(self) -> None:
        """Release the lock, so that others may change objects under the prefix. A second call does nothing."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)


def check_free(installation: Installation) -> None:
    """Check that nobody keeps the prefix. A command that changes something calls this with the store's lock held.
    Nobody can begin to keep the prefix meanwhile, as that needs the store's lock, too.

    Errors: Kept; OSError, StoreError.
    """
    if installation.keeper.exists():
        Keeper(installation, "a command").release()


def is_kept(installation: Installation) -> bool:
    """Whether a session keeps the prefix. A command that only reads calls this, with the store's lock shared.

    Errors: OSError, StoreError.
    """
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


def _words(handle: int) -> str:
    """Return what the keeper wrote about itself, on one line that a terminal can show."""
    line = os.pread(handle, _LIMIT, 0).decode("utf-8", "replace").partition("\n")[0]
    return "".join(sign for sign in line if sign.isprintable())

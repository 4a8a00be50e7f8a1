"""Read the files of an access: only regular files, and only up to a limit of bytes.

The author of a kubeconfig chooses which files are read. A FIFO or a device may never end, and reading a file below
/proc may block without end.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from svcc.kubernetes_api.errors import BadConfig

#: How many bytes a file with certificates, a key or a token may have: some hundred certificates.
LARGEST = 1 << 20
#: Names of the descriptors that a shell passes on (`<(command)`).
_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")


def read(file: Path, most: int = LARGEST, *, given: bool = False) -> bytes:
    """Return what is in a file. ``given``: it was named on the command line, so that it may be a shell's descriptor.

    Errors: BadConfig.
    """
    descriptor = given and str(file).startswith(_DESCRIPTORS)
    try:
        if not descriptor:
            _demand_regular(file, file.stat())
        with open(file, "rb", opener=None if descriptor else _without_waiting) as opened:
            if not descriptor:
                _demand_regular(file, os.fstat(opened.fileno()))
            text = opened.read(most + 1)
    except OSError as error:
        raise BadConfig(f"{file}: {error.strerror}") from None
    except ValueError as error:  # its name has a NUL
        raise BadConfig(f"{str(file)!r}: {error}") from None
    if len(text) > most:
        raise BadConfig(f"{file}: it has more than the {most} bytes that are read")
    return text


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _demand_regular(file: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise BadConfig(f"{file}: Is a directory")
    if not stat.S_ISREG(found.st_mode) or found.st_dev == _device_of("/proc"):
        raise BadConfig(f"{file}: it is not a regular file")


def _device_of(path: str) -> int | None:
    try:
        return os.stat(path).st_dev
    except OSError:
        return None

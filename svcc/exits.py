"""Exit codes: what scripts may rely on."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0  # done, or nothing to do
    DIFFERENT = 1  # there are differences
    INPUT = 2  # the input or the command line is wrong
    MACHINE = 3  # this machine cannot: a missing tool, module or privilege
    RESTORED = 4  # apply failed and everything was put back
    BROKEN = 5  # apply failed and something could not be put back
    BUG = 70  # svcc itself is wrong (EX_SOFTWARE of sysexits.h)

"""The exit codes, on which scripts may rely."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Exit(IntEnum):
    """The exit codes, each with what it means to the caller."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        made = int.__new__(cls, value)
        made._value_ = value
        made.meaning = meaning
        return made

    DONE = 0, "done, or nothing to do"
    DIFFERENT = 1, "there are differences, or deviations"
    INPUT = 2, "the input or the command line is wrong; nothing was written"
    MACHINE = 3, "this machine cannot: a missing tool, module or privilege"
    RESTORED = 4, "an apply failed, and everything was put back"
    BROKEN = 5, "an apply failed, and something could not be put back: it is listed"
    BUG = 70, "svcc itself is wrong: what it prints is for its makers"  # EX_SOFTWARE of sysexits.h

"""What can be wrong with artifacts: errors that name the part and the line.

::

    TraceError
      UnknownRule   the interpreter does not know a statement, match, option, expression or hook (or cannot decide it)
      LoadError     the native tool, or the kernel, would refuse it
"""

from __future__ import annotations

from typing import NamedTuple


class ArtifactLine(NamedTuple):
    """A line of an artifact."""

    part: str
    line: int  # from 1

    def __str__(self) -> str:
        return f"{self.part}:{self.line}"


class TraceError(Exception):
    """The artifacts cannot be followed. ``str()`` is ``PART:LINE: MESSAGE``."""

    def __init__(self, place: ArtifactLine, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place = place
        self.message = message


class UnknownRule(TraceError):
    """The interpreter does not know this rule. It never skips one, because the rule may decide."""


class LoadError(TraceError):
    """The tool or the kernel would not load this: what it refers to does not exist, or it is not valid there."""

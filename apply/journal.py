"""The journal of an apply, which is written before its first step and removed after its last.

From a journal that a killed apply left, the next command knows from which generation to which the apply was going, and
whether the new rules serve.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from svcc.apply import files
from svcc.apply.state_files import read_record


@dataclass(frozen=True)
class _Written:
    """The fields of the journal's file."""

    before: int | None
    after: int
    states: dict[str, object]


@dataclass(frozen=True)
class Journal:
    """The journal of one apply. Errors of all methods: StoreError, OSError."""

    path: Path
    before: int | None  # the number of the generation that was current
    after: int  # the number of the generation that is to be current
    states: dict[str, object]  # before the apply, as Machine.dump gives them; generation ``before`` may be part of them
    switched: bool = False  # whether the new rules serve: then the apply is to be finished, else to be undone

    def write(self) -> None:
        """Write the journal, before the first step. Errors: OSError."""
        self._mark(self.switched)  # first, or a mark that another apply left would count for this journal
        files.write(self.path, json.dumps({"before": self.before, "after": self.after, "states": self.states}))

    def switch(self, forward: bool) -> Self:
        """Note that the new rules serve (``forward``), or that the apply is to be undone, whatever rules serve. Return
        the journal that says so."""
        self._mark(forward)
        return replace(self, switched=forward)

    def remove(self) -> None:
        """Remove the journal, when the apply is finished or undone. Errors: OSError."""
        files.remove(self.path)
        _switched(self.path).unlink(missing_ok=True)  # without a journal it says nothing

    def _mark(self, switched: bool) -> None:
        """Write or remove the mark that the new rules serve. The mark is a file of its own, because the journal of a
        large machine takes long to write.

        The mark need not reach the disk. It tells a later process what this one did; a machine that loses its power
        loses the kernel's rules as well, and may as well get the old ones again.
        """
        if switched:
            files.write(_switched(self.path), f"{self.after}\n", lasting=False, whole=False)
        else:
            files.remove(_switched(self.path))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return the journal that an apply left; None where there is none."""
        try:
            written = read_record(path, _Written)
        except FileNotFoundError:
            return None
        return cls(path, written.before, written.after, written.states, _switched(path).exists())


def _switched(path: Path) -> Path:
    return path.with_name("switched")

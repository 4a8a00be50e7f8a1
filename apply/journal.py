"""The journal of an apply: written before its first step, gone after its last.

Whoever finds one whose writer is dead knows what was to become of what, and how far it came.
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
    """What is in the file."""

    before: int | None
    after: int
    states: dict[str, object]


@dataclass(frozen=True)
class Journal:
    """``states``: what there was before, as :meth:`Machine.dump` has it: by reference to generation ``before`` where it
    was that. Errors of all methods: StoreError, OSError.
    """

    path: Path
    before: int | None  # the number of the generation that was current
    after: int  # of the one that is to be
    states: dict[str, object]
    switched: bool = False  # whether the new rules are in: then the way is forward

    def write(self) -> None:
        files.write(self.path, json.dumps({"before": self.before, "after": self.after, "states": self.states}))
        self._mark(self.switched)

    def switch(self, forward: bool) -> Self:
        """Note that the new rules are in (or that the way is back, whatever is in)."""
        self._mark(forward)
        return replace(self, switched=forward)

    def remove(self) -> None:
        files.remove(self.path)
        files.remove(_switched(self.path))

    def _mark(self, switched: bool) -> None:
        """A file of its own: the journal of a large machine takes its time to write."""
        if switched:
            files.write(_switched(self.path), f"{self.after}\n")
        else:
            files.remove(_switched(self.path))

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The journal that was left, if one was."""
        try:
            written = read_record(path, _Written)
        except FileNotFoundError:
            return None
        return cls(path, written.before, written.after, written.states, _switched(path).exists())


def _switched(path: Path) -> Path:
    return path.with_name("switched")

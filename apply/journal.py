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
        """Record what is about to be done, before the first step. Errors: OSError."""
        self._mark(self.switched)  # before the journal is there, to which a mark that was left over would belong
        files.write(self.path, json.dumps({"before": self.before, "after": self.after, "states": self.states}))

    def switch(self, forward: bool) -> Self:
        """Note that the new rules are in (or that the way is back, whatever is in)."""
        self._mark(forward)
        return replace(self, switched=forward)

    def remove(self) -> None:
        """All is done or undone: the next command finds no journal. Errors: OSError."""
        files.remove(self.path)
        _switched(self.path).unlink(missing_ok=True)  # without a journal it says nothing

    def _mark(self, switched: bool) -> None:
        """A file of its own: the journal of a large machine takes its time to write.

        It is for who comes after this process, and need not be on disk: a machine that loses its power loses the
        kernel's rules as well, and may as well have those from before again.
        """
        if switched:
            files.write(_switched(self.path), f"{self.after}\n", lasting=False, whole=False)
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

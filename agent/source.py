"""Where an agent's programs come from. The usual source is a file with what it includes."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from svcc.apply.wanted import Wanted
from svcc.compiler import ir
from svcc.compiler.errors import InputError
from svcc.compiler.load import load
from svcc.compiler.sources import Sources, matching

#: What a change of a file alters: its device and inode, its size, or its times of change (stat(2)). None where there is
#: no such file.
_Mark: TypeAlias = tuple[int, int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class HealthPort:
    """What a load balancer outside is told of a service. ``endpoints``: how many on this machine get connections."""

    namespace: str
    name: str
    endpoints: int

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ProgramSource(ABC):
    """Where an agent's programs come from. ``kind``: the word for it in the log."""

    kind: str

    @property
    @abstractmethod
    def name(self) -> str:
        """Which source of its kind it is, in the log and in `svcc history`."""

    def made(self, source: str) -> bool:
        """Whether a generation with this source came from here."""
        return source == self.name

    @property
    def fault(self) -> str:
        """Why the last program may be out of date; "" where nothing is known against it."""
        return ""

    @property
    def health_ports(self) -> Mapping[int, HealthPort]:
        """The ports at which load balancers ask, as of the program that was read last."""
        return {}

    @abstractmethod
    def read(self) -> ir.Program | None:
        """Return the present program; None where it is not known yet. Called in a thread. Errors: InputError."""

    def compiled(self, program: ir.Program) -> Wanted | None:
        """Return what a program of this source was compiled to, where somebody did that before the agent; else None.

        It is given only once: the caller may change it.
        """
        return None

    def joined(self, program: ir.Program) -> ir.Program:
        """Return a program of this source with the endpoints that joined it since.

        It is the same object as long as these are the same, and ``program`` itself where there are none. Called in the
        agent's loop.
        """
        return program

    def note_taken(self, joined: ir.Program) -> None:
        """Take note that what :meth:`joined` gave is in the kernel, and stays. Called in the agent's loop."""
        return  # most sources do nothing with it

    def changed(self) -> bool:
        """Whether :meth:`read` might give another program than before. Called every second, in a thread."""
        return False

    async def follow(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` as soon as :meth:`read` might give another program, for as long as this runs."""
        return  # asking `changed` is often enough for most sources


class FileSource(ProgramSource):
    """A program in a file, and what it includes. All these files are read again when one of them changes."""

    kind = "file"

    def __init__(self, file: str) -> None:
        self.file = file
        self._marks: dict[str, _Mark] = {}
        self._patterns: dict[tuple[str, str], list[str]] = {}

    @property
    def name(self) -> str:
        return self.file

    def read(self) -> ir.Program:
        """Read the program, and note which files are to be watched. Errors: InputError."""
        self._watch(None)
        loaded = load(self.file)
        if loaded.sources is not None:
            self._watch(loaded.sources)
        if loaded.program is None:
            raise InputError(loaded.diagnostics)
        return loaded.program

    def changed(self) -> bool:
        """Whether a file that was read has changed, or the includes name other files."""
        return any(_mark(file) != mark for file, mark in self._marks.items()) or any(
            _matching(*pattern) != found for pattern, found in self._patterns.items()
        )

    def _watch(self, sources: Sources | None) -> None:
        """Note the state of each file. One that changes while it is read is read once more: its state was noted
        before."""
        files = [self.file] if sources is None else [name for name, _ in (*sources.files, *sources.links)]
        before = {} if sources is None else self._marks
        self._marks = {file: before[file] if file in before else _mark(file) for file in (self.file, *files)}
        self._patterns = {(folder, p): _matching(folder, p) for folder, p, _ in (sources.patterns if sources else ())}


def _mark(file: str) -> _Mark:
    with suppress(OSError):
        found = os.stat(file)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return None


def _matching(folder: str, pattern: str) -> list[str]:
    with suppress(OSError):
        return sorted(matching(Path(folder), pattern))
    return []

"""Where a program comes from; of such sources the usual one, a file and what it includes."""

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

#: What a change of a file changes: the file that its name leads to, its size, and when it was changed. None: there is
#: no such file.
_Mark: TypeAlias = tuple[int, int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class HealthPort:
    """What a load balancer outside is told of a service. ``endpoints``: those on this machine that take connections."""

    namespace: str
    name: str
    endpoints: int

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ProgramSource(ABC):
    """Where an agent's programs come from. ``kind``: a word for it, in the log."""

    kind: str

    @property
    @abstractmethod
    def name(self) -> str:
        """Which one of its kind it is, in the log and in `svcc history`."""

    @property
    def fault(self) -> str:
        """Why what was read may not be how things are; "" where nothing speaks against it."""
        return ""

    @property
    def health_ports(self) -> Mapping[int, HealthPort]:
        """The ports at which load balancers ask, as the program has it that was read last."""
        return {}

    @abstractmethod
    def read(self) -> ir.Program | None:
        """The program now; None: it is not known yet. It runs in a thread. Errors: InputError."""

    def compiled(self, program: ir.Program) -> Wanted | None:
        """What a program that was read was compiled to, by who had to know it before the agent; None: nobody had. It is
        given once: who has it may change it."""
        return None

    def joined(self, program: ir.Program) -> ir.Program:
        """A program that was read, with the endpoints that joined it since: the same object as long as they are the
        same, and the program itself where there are none. It is asked in the agent's loop."""
        return program

    def taken(self, joined: ir.Program) -> None:
        """What :meth:`joined` gave is in the kernel, and stays. It is told in the agent's loop."""
        return  # most need not know

    def changed(self) -> bool:
        """Whether :meth:`read` might give another program than before. It is asked every second, in a thread."""
        return False

    async def follow(self, changed: Callable[[], None]) -> None:
        """Call ``changed`` as soon as :meth:`read` might give another program, for as long as this runs."""
        return  # a source that is asked often enough has nothing to tell


class FileSource(ProgramSource):
    """A program in a file, and what it includes: both are read again when they change."""

    kind = "file"

    def __init__(self, file: str) -> None:
        self.file = file
        self._marks: dict[str, _Mark] = {}
        self._patterns: dict[tuple[str, str], list[str]] = {}

    @property
    def name(self) -> str:
        return self.file

    def read(self) -> ir.Program:
        """Read the file, and note what is to be watched. Errors: InputError."""
        self._watch(None)
        loaded = load(self.file)
        if loaded.sources is not None:
            self._watch(loaded.sources)
        if loaded.program is None:
            raise InputError(loaded.diagnostics)
        return loaded.program

    def changed(self) -> bool:
        """Whether a file that was read, or what the includes name, is not as it was."""
        return any(_mark(file) != mark for file, mark in self._marks.items()) or any(
            _matching(*pattern) != found for pattern, found in self._patterns.items()
        )

    def _watch(self, sources: Sources | None) -> None:
        """A file that changes while it is read is read once more: its mark is taken before."""
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

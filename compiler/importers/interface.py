"""The interface of importers: the name of a kind of file, and a function from such files to a program and notes.

An importer is a module (or package) in this directory with a module-level ``IMPORTER`` of an :class:`Importer`
subclass. Nothing imports an importer by name.

An importer carries over what means the same in svcc, and notes everything else. It need not find out whether addresses
and ports can serve, clash, or stand twice: :func:`svcc.compiler.importers.sound.sound` leaves out what svcc's checks
refuse, and notes it. This needs the place in the sources of every object of the program (``span``, ``spans``), as in
programs that were read from svcc's language.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.errors import InputError
from svcc.compiler.source import Source, Span


@dataclass(frozen=True, slots=True)
class Note:
    """Something that an importer read and did not carry over."""

    span: Span  # a line of a text, or the part of it that the note is about
    reason: str  # how the sentence goes on: "svcc has no quorum"


@dataclass(frozen=True, slots=True)
class Imported:
    """The program that files became. Each of its objects has its place in the sources.

    ``spans`` of a service has at least ``"vip ADDRESS"`` and ``"external-ip ADDRESS"`` for each address whose place is
    not the service's own ``span``.
    """

    program: ir.Program
    notes: tuple[Note, ...] = ()  # in any order
    by_name: bool = False  # services are printed by name, because their order in the files means nothing


class Broken(InputError):
    """The importer cannot read the sources, or they contradict each other. Nothing was imported."""


def broken(message: str, span: Span, hint: str | None = None) -> Broken:
    """Return the exception to raise for a text that the importer cannot read."""
    return Broken([Diagnostic(Code.IMPORT, message, span, hint)])


class Importer(ABC):
    """An importer for one kind of file. :meth:`read` is a pure function of the sources and of files that they
    include.
    """

    name: ClassVar[str]  # as in ``svcc import KIND``: the other program's name in lower case
    title: ClassVar[str]  # what files it takes, in one line, for ``--help`` and the docs

    @abstractmethod
    def read(self, sources: Sequence[Source]) -> Imported:
        """Return the program that the sources describe together, and a note for everything that the program does not
        say.

        ``sources`` are one or more texts: UTF-8, 64 MiB in all, without NUL. In the program, names of services, ports
        and nodes are :func:`svcc.compiler.importers.names.valid` names, weights are 0 to 65,535, and affinity is 1 s to
        a day. There is no note for what has no meaning of its own (a list's brackets, a setting that says the default).

        Errors: Broken, with the place; never another exception, whatever the texts are.
        """

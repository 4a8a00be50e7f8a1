"""What every importer is: the name of a kind of file, and a function from such files to a program and notes.

An importer is a module (or package) in this directory with a module-level ``IMPORTER`` of an :class:`Importer`
subclass. Nothing imports an importer by name.

An importer carries over what means the same in svcc, and notes everything else. It need not find out whether
addresses and ports can serve, clash, or stand twice: :func:`svcc.compiler.importers.sound.sound` leaves out what the
checks of svcc refuse, and notes it. For that every object of the program has its place in the sources (``span``,
``spans``), as objects have that were read from svcc's language.
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

    span: Span  # a line of a text, or the part of it that is meant
    reason: str  # a sentence's end: "svcc has no quorum"


@dataclass(frozen=True, slots=True)
class Imported:
    """What files became. Each of the program's objects has its place in the sources.

    ``spans`` of a service has at least ``"vip ADDRESS"`` and ``"external-ip ADDRESS"`` for each address that stands
    somewhere else than the service's own ``span``.
    """

    program: ir.Program
    notes: tuple[Note, ...] = ()  # in any order
    by_name: bool = False  # the order of the files means nothing, so that services are printed by name


class Broken(InputError):
    """The sources are not what the importer reads, or say two things at once: nothing was imported."""


def broken(message: str, span: Span, hint: str | None = None) -> Broken:
    """To be raised for a text that is not what the importer reads."""
    return Broken([Diagnostic(Code.IMPORT, message, span, hint)])


class Importer(ABC):
    """A kind of file. :meth:`read` is a pure function of the sources and of the files that they include."""

    name: ClassVar[str]  # as in ``svcc import KIND``: lower case, as the program is called
    title: ClassVar[str]  # what files it takes, in one line for ``--help`` and the docs

    @abstractmethod
    def read(self, sources: Sequence[Source]) -> Imported:
        """The program that the sources are together, and a note for all that it does not say.

        ``sources`` are one or more texts: UTF-8, 64 MiB in all, without NUL. Names of services, ports and nodes are
        :func:`svcc.compiler.importers.names.valid` ones, weights 0 to 65,535, affinity 1 s to a day. What has no
        meaning of its own (a list's brackets, a setting that says the default) is not noted.

        Errors: Broken, with the place; never another exception, whatever the texts are.
        """

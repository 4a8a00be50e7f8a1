"""Remarks: what the program does not say about objects, and the places of an object's parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from svcc.compiler import ir
from svcc.compiler.importers.kubernetes.fields import Path, Word
from svcc.compiler.importers.words import address as address_in
from svcc.compiler.source import Source, Span


class Place(NamedTuple):
    """A place in an object."""

    object: str  # "Service shop/web"
    path: Path = ()


class Remark(NamedTuple):
    """Something about an object that the program does not say."""

    place: Place
    reason: str
    usual: bool = False  # kube-proxy leaves it out as well, so that nothing is wrong
    related: Place | None = None  # the place with which it clashes


#: Returns where a place is in a text; None where there is no text.
At: TypeAlias = Callable[[Place], Span | None]


def nowhere(_: Place) -> None:
    """Return None: the place of everything in objects that come from no text."""


_NUMBERS = Source("", "")


class Numbers:
    """A stand-in for a text: gives each place a span of its own."""

    def __init__(self) -> None:
        self._places: list[Place] = []

    def at(self, place: Place) -> Span:
        """Return a new span that stands for a place."""
        self._places.append(place)
        return Span(_NUMBERS, len(self._places) - 1, len(self._places))

    def place(self, span: Span) -> Place:
        """Return the place for which a span was made."""
        return self._places[span.start]


@dataclass(slots=True)
class Work:
    """The mapping of one Service: the remarks on it and its slices, and what all steps need to know."""

    nodes: Collection[str]
    at: At
    remarks: list[Remark] = field(default_factory=list)

    def remark(self, place: Place, reason: str, *, usual: bool = False) -> None:
        """Note what was left out, or was understood in one of several ways.

        ``usual``: it happens in every cluster, so that nobody has to read it.
        """
        self.remarks.append(Remark(place, reason, usual))


class Remarks:
    """The remarks that hold now, by the subject that they are about, and which of them are new."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[Remark, ...]] = {}
        self._news: list[Remark] = []

    def say(self, subject: str, remarks: tuple[Remark, ...]) -> None:
        """Replace the remarks on a subject."""
        known = self._said.get(subject, ())
        self._news += (remark for remark in remarks if remark not in known)
        if remarks:
            self._said[subject] = remarks
        else:
            self._said.pop(subject, None)

    def keep(self, kind: str, names: Collection[str]) -> None:
        """Forget the subjects of one kind (their names are ``KIND NAME``), except those named here."""
        for subject in [one for one in self._said if one.startswith(f"{kind} ")]:
            if subject.removeprefix(f"{kind} ") not in names:
                del self._said[subject]

    def all(self) -> tuple[Remark, ...]:
        """Return all remarks that hold now, sorted by subject."""
        return tuple(remark for _, remarks in sorted(self._said.items()) for remark in remarks)

    def news(self) -> tuple[Remark, ...]:
        """Return the remarks that came up since the last call."""
        found, self._news = self._news, []
        return tuple(found)


def addresses(work: Work, name: str, words: Iterable[Word]) -> Iterator[tuple[ir.Address, Path]]:
    """Return the addresses among some words, with their paths, and make a remark of each word that is none."""
    for word in words:
        address = address_in(word.text)
        if address is None:
            work.remark(Place(name, word.path), f"`{word.text}` is not an IP address")
        else:
            yield address, word.path

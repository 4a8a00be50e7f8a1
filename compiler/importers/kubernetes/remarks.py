"""What is said of objects beside what they become: remarks, and the places of an object's parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from svcc.compiler import ir
from svcc.compiler.importers.kubernetes.fields import Path, Word
from svcc.compiler.importers.words import address as address_in
from svcc.compiler.source import Source, Span


class Place(NamedTuple):
    """A part of an object."""

    object: str  # "Service shop/web"
    path: Path = ()


class Remark(NamedTuple):
    """Something of an object that the program does not say."""

    place: Place
    reason: str
    usual: bool = False  # kube-proxy leaves it out as well, so that nothing is amiss
    related: Place | None = None  # what it clashes with


#: Where a place stands in a text; None where there is no text.
At: TypeAlias = Callable[[Place], Span | None]


def nowhere(_: Place) -> None:
    """For objects that come from no text."""


_NUMBERS = Source("", "")


class Numbers:
    """Stands for a text: gives each place a span of its own."""

    def __init__(self) -> None:
        self._places: list[Place] = []

    def at(self, place: Place) -> Span:
        """A new span, which stands for a place."""
        self._places.append(place)
        return Span(_NUMBERS, len(self._places) - 1, len(self._places))

    def place(self, span: Span) -> Place:
        """The place for which a span was made."""
        return self._places[span.start]


@dataclass(slots=True)
class Work:
    """The remarks on one Service and its slices, and what all of the work asks for."""

    nodes: Collection[str]
    at: At
    remarks: list[Remark] = field(default_factory=list)

    def remark(self, place: Place, reason: str, *, usual: bool = False) -> None:
        """Note what was left out or understood in one way of several. ``usual``: of every cluster, so that it need not
        be read."""
        self.remarks.append(Remark(place, reason, usual))


class Remarks:
    """What there is to say, by what it is about; and what of it is new."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[Remark, ...]] = {}
        self._news: list[Remark] = []

    def say(self, subject: str, remarks: tuple[Remark, ...]) -> None:
        """All that there is to say of a subject now."""
        known = self._said.get(subject, ())
        self._news += (remark for remark in remarks if remark not in known)
        if remarks:
            self._said[subject] = remarks
        else:
            self._said.pop(subject, None)

    def keep(self, kind: str, names: Collection[str]) -> None:
        """Forget the subjects of a kind, ``KIND NAME``, but for those of some names."""
        for subject in [one for one in self._said if one.startswith(f"{kind} ")]:
            if subject.removeprefix(f"{kind} ") not in names:
                del self._said[subject]

    def all(self) -> tuple[Remark, ...]:
        """All remarks that hold now, sorted by what they are about."""
        return tuple(remark for _, remarks in sorted(self._said.items()) for remark in remarks)

    def news(self) -> tuple[Remark, ...]:
        """What is said since this was last asked, and was not before."""
        found, self._news = self._news, []
        return tuple(found)


def addresses(work: Work, name: str, words: Iterable[Word]) -> Iterator[tuple[ir.Address, Path]]:
    """The addresses among some words, and where they stand; a remark is made of those that are none."""
    for word in words:
        address = address_in(word.text)
        if address is None:
            work.remark(Place(name, word.path), f"`{word.text}` is not an IP address")
        else:
            yield address, word.path

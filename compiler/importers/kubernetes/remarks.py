"""What is said of objects beside what they become: remarks, and the places of an object's parts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from svcc.compiler import ir
from svcc.compiler.importers.kubernetes.objects import Path, Word
from svcc.compiler.importers.words import address as address_in
from svcc.compiler.source import Span


class Place(NamedTuple):
    """A part of an object."""

    object: str  # "Service shop/web"
    path: Path = ()


class Remark(NamedTuple):
    """Something of an object that the program does not say."""

    place: Place
    reason: str


#: Where a place stands in a text; None where there is no text.
At: TypeAlias = Callable[[Place], Span | None]


def nowhere(_: Place) -> None:
    """For objects that come from no text."""


@dataclass(slots=True)
class Work:
    """The remarks on one Service and its slices, and what all of the work asks for."""

    nodes: Collection[str]
    at: At
    remarks: list[Remark] = field(default_factory=list)

    def remark(self, place: Place, reason: str) -> None:
        self.remarks.append(Remark(place, reason))


def addresses(work: Work, name: str, words: Iterable[Word]) -> Iterator[tuple[ir.Address, Path]]:
    for word in words:
        address = address_in(word.text)
        if address is None:
            work.remark(Place(name, word.path), f"`{word.text}` is not an IP address")
        else:
            yield address, word.path

"""Elements that differ by nothing but their port, each by one more than the one before: a line of text for all of them.

``ipset restore`` takes ``198.19.10.0,tcp:1-65535``, and keeps 65,535 elements, which ``ipset save`` prints one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

#: Runs of more elements are one line. Shorter ones stay apart: an edit of one port changes one line.
LONGEST_APART = 1024
_HIGHEST = 65_535


class _Split(NamedTuple):
    """An element, or several, around the port."""

    before: str
    port: str
    after: str


def folded(elements: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The elements with what follows each of them, in their order; long runs as one element with a range of ports."""
    if len(elements) <= LONGEST_APART:
        yield from elements.items()
        return
    items = [*elements.items()]
    done, step = 0, LONGEST_APART // 2
    # A long run has two of these places: at most of the others nothing is looked into.
    for place in range(0, len(items) - step, step):
        run = _Run.at(items, place)
        if place < done or run is None or not run.has(place + step):
            continue
        first = last = place
        while first > done and run.has(first - 1):
            first -= 1
        while last + 1 < len(items) and run.has(last + 1):
            last += 1
        if last - first >= LONGEST_APART:
            yield from items[done:first]
            yield run.text(first, last)
            done = last + 1
    yield from items[done:]


class _Run(NamedTuple):
    """What the elements of a run are like."""

    items: Sequence[tuple[str, str]]
    before: str
    least: int  # the port that the first of all items would have
    after: str
    options: str

    @classmethod
    def at(cls, items: Sequence[tuple[str, str]], place: int) -> _Run | None:
        """The run that has an item in it; None: that has no port."""
        element, options = items[place]
        before, port, after = _split(element)
        return cls(items, before, int(port) - place, after, options) if port.isdecimal() else None

    def has(self, place: int) -> bool:
        return self.items[place] == (f"{self.before}{self.least + place}{self.after}", self.options)

    def text(self, first: int, last: int) -> tuple[str, str]:
        return f"{self.before}{self.least + first}-{self.least + last}{self.after}", self.options


def unfolded(element: str) -> Iterable[str]:
    """The elements that one with a range of ports stands for; one without is itself."""
    before, port, after = _split(element)
    first, dash, last = port.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and len(first) <= len(last) <= len(str(_HIGHEST))):
        return (element,)
    if not int(first) < int(last) <= _HIGHEST:
        return (element,)
    return [f"{before}{port}{after}" for port in range(int(first), int(last) + 1)]


def _split(element: str) -> _Split:
    """Of "198.19.10.0,tcp:80,10.0.0.0/8" what stands before and behind 80; of "80" nothing. What has no port has it
    empty."""
    address, comma, rest = element.partition(",")
    if not comma:
        return _Split("", element, "")
    socket, more, after = rest.partition(",")
    protocol, colon, port = socket.rpartition(":")
    if not colon:
        return _Split(element, "", "")
    return _Split(f"{address},{protocol}:", port, f"{more}{after}")

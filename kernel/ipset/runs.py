"""Write a run of elements that differ only in their port, each by one more than the element before, as one line of
text.

``ipset restore`` takes ``198.19.10.0,tcp:1-65535``, and makes 65,535 elements, which ``ipset save`` prints one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

#: Only runs of more elements are one line. In shorter runs each element has its own, so that one edited port changes
#: one line.
LONGEST_APART = 1024
_HIGHEST = 65_535


class _Split(NamedTuple):
    """The text of an element, or of one with a range of ports, split around the port."""

    before: str
    port: str
    after: str


def folded(elements: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the elements with their options, in their order; a long run as one element with a range of ports."""
    if len(elements) <= LONGEST_APART:
        yield from elements.items()
        return
    items = [*elements.items()]
    done, step = 0, LONGEST_APART // 2
    # A long run covers two neighbouring places of these. At most places a single comparison shows that there is none.
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
    """The form of the elements of a run."""

    items: Sequence[tuple[str, str]]  # all elements with their options
    before: str  # the text before the port
    least: int  # the port that the first of all items would have if it were in the run
    after: str  # the text after the port
    options: str

    @classmethod
    def at(cls, items: Sequence[tuple[str, str]], place: int) -> _Run | None:
        """Return the run that the item at a place is in; None where that has no port."""
        element, options = items[place]
        before, port, after = _split(element)
        return cls(items, before, int(port) - place, after, options) if port.isdecimal() else None

    def has(self, place: int) -> bool:
        """Whether the item at a place is in the run."""
        return self.items[place] == (f"{self.before}{self.least + place}{self.after}", self.options)

    def text(self, first: int, last: int) -> tuple[str, str]:
        return f"{self.before}{self.least + first}-{self.least + last}{self.after}", self.options


def unfolded(element: str) -> Iterable[str]:
    """Return the elements that one with a range of ports stands for; an element without a range stands for itself."""
    before, port, after = _split(element)
    first, dash, last = port.partition("-")
    if not (dash and first.isdecimal() and last.isdecimal() and len(first) <= len(last) <= len(str(_HIGHEST))):
        return (element,)
    if not int(first) < int(last) <= _HIGHEST:
        return (element,)
    return [f"{before}{port}{after}" for port in range(int(first), int(last) + 1)]


def _split(element: str) -> _Split:
    """Split an element around its port: "198.19.10.0,tcp:80,10.0.0.0/8" before and after 80; "80" has nothing on either
    side. An element without a port has an empty one."""
    address, comma, rest = element.partition(",")
    if not comma:
        return _Split("", element, "")
    socket, more, after = rest.partition(",")
    protocol, colon, port = socket.rpartition(":")
    if not colon:
        return _Split(element, "", "")
    return _Split(f"{address},{protocol}:", port, f"{more}{after}")

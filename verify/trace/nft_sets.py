"""Sets and maps of nft: their elements, and looking values up in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from svcc.verify.trace import values
from svcc.verify.trace.faults import ArtifactLine, LoadError, UnknownRule
from svcc.verify.trace.flow import Flow
from svcc.verify.trace.nft_types import IPV4, IPV6, Type, Value

D = TypeVar("D")

#: The first and the last number of a range, both included; for a concatenation, one range for each part.
Ranges: TypeAlias = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Elements(Generic[D]):
    """The elements of a set, or of a map with data for each key (in a set the data is True)."""

    types: tuple[Type, ...]
    intervals: bool  # whether there may be ranges
    exact: dict[Value, D] = field(default_factory=dict)
    ranges: list[tuple[Ranges, D]] = field(default_factory=list)
    rest: D | None = None  # the data of "*", which matches what no other element does

    def find(self, value: Value) -> D | None:
        """Return the data of the element that has the value (True in a set), or None where there is none."""
        found = self.exact.get(value)
        if found is not None:
            return found
        if self.ranges:
            parts = value if isinstance(value, tuple) else (value,)
            for ranges, data in self.ranges:
                for part, (first, last) in zip(parts, ranges, strict=True):
                    if not first <= part <= last:
                        break
                else:
                    return data
        return self.rest

    def add(self, place: ArtifactLine, key: object, data: D) -> None:
        """Add an element. Errors: LoadError, where the key exists with other data."""
        if key == "*":
            if self.rest not in (None, data):
                raise LoadError(place, "`*` is there already, with other data")
            self.rest = data
            return
        ranges = self._ranges(place, key)
        if any(first != last for first, last in ranges):
            if not self.intervals:
                raise LoadError(place, "a range, in a set without the flag interval")
            if (ranges, data) not in self.ranges:
                self.ranges.append((ranges, data))
            return
        parts = tuple(first for first, _ in ranges)
        value: Value = parts if len(parts) > 1 else parts[0]
        if self.exact.setdefault(value, data) != data:
            raise LoadError(place, f"{self.show(value)} is there already, with other data")

    def check_overlaps(self, place: ArtifactLine) -> None:
        """Check that no two elements have a value in common, because the kernel refuses such sets.

        Errors: LoadError.
        """
        if not self.ranges:
            return
        found = [ranges for ranges, _ in self.ranges]
        found += [tuple((p, p) for p in (v if isinstance(v, tuple) else (v,))) for v in self.exact]
        open_ones: list[Ranges] = []
        for ranges in sorted(found):
            open_ones = [other for other in open_ones if other[0][1] >= ranges[0][0]]
            if any(_overlap(ranges, other) for other in open_ones):
                raise LoadError(place, "two elements overlap")
            open_ones.append(ranges)

    def cuts(self) -> set[int]:
        """Return the numbers at which ranges of a map begin, and those after their ends."""
        numbers = {(value, value) for value in self.exact if isinstance(value, int)}
        numbers |= {ranges[0] for ranges, _ in self.ranges}
        return {cut for first, last in numbers for cut in (first, last + 1)}

    def show(self, value: Value) -> str:
        """Return a key as ``nft list`` prints it."""
        parts = value if isinstance(value, tuple) else (value,)
        return " . ".join(type.show(part) for type, part in zip(self.types, parts, strict=True))

    def _ranges(self, place: ArtifactLine, key: object) -> Ranges:
        parts = key["concat"] if isinstance(key, dict) and set(key) == {"concat"} else [key]
        if not isinstance(parts, list) or len(parts) != len(self.types):
            raise LoadError(place, f"{key} does not have {len(self.types)} parts")
        return tuple(range_of(place, type, part) for type, part in zip(self.types, parts, strict=True))


def _overlap(one: Ranges, other: Ranges) -> bool:
    return all(a[0] <= b[1] and b[0] <= a[1] for a, b in zip(one, other, strict=True))


def range_of(place: ArtifactLine, type: Type, value: object) -> tuple[int, int]:
    """Return the first and last number of a value, a prefix or a range. Errors: LoadError, UnknownRule."""
    try:
        match value:
            case {"prefix": {"addr": str(address), "len": int(length), **others}} if not others:
                if type not in (IPV4, IPV6):
                    raise ValueError("a prefix of something that is no address")
                network = values.network(f"{address}/{length}")
                type.parse(address)
                return int(network[0]), int(network[-1])
            case {"range": [first, last]}:
                found = type.parse(first), type.parse(last)
                if found[0] > found[1]:
                    raise ValueError("a range that ends before it begins")
                return found
            case dict() | list():
                raise UnknownRule(place, f"an element {value} is not known here")
            case _:
                number = type.parse(value)
                return number, number
    except ValueError as error:
        raise LoadError(place, f"{value} is no {type}: {error}") from None


@dataclass(slots=True)
class NamedSet(Generic[D]):
    """A set or map that rules refer to by its name."""

    family: str
    table: str
    name: str
    place: ArtifactLine
    elements: Elements[D]
    timeout: int | None  # in seconds, for elements that give none
    may_expire: bool  # elements may have a timeout
    size: int | None
    grows: bool = False  # rules add elements

    def find(self, flow: Flow, value: Value) -> D | None:
        """Return the data of a key. In a set it is True where the key is in it, or a rule has added it."""
        found = self.elements.find(value)
        if found is None and self.grows:
            entry = flow.recall(self.owner, value)
            return None if entry is None else entry.data  # type: ignore[return-value]
        return found

    @property
    def owner(self) -> tuple[str, str, str]:
        """The key under which its elements are remembered: family, table and name."""
        return self.family, self.table, self.name

    @property
    def kind(self) -> tuple[object, ...]:
        """What two declarations of one set have to agree on."""
        return type(self), self.elements.types


class KeySet(NamedSet[bool]):
    """A set."""


@dataclass(slots=True, kw_only=True)
class ValueMap(NamedSet[int]):
    """A map to values."""

    data: tuple[Type, ...]  # of the parts of a value

    @property
    def kind(self) -> tuple[object, ...]:
        return type(self), self.elements.types, self.data


def element_parts(place: ArtifactLine, element: object) -> object:
    """Return an element's value without its comment and counter. Errors: UnknownRule."""
    if isinstance(element, dict) and set(element) == {"elem"}:
        inner = element["elem"]
        if not isinstance(inner, dict) or "val" not in inner:
            raise LoadError(place, "`elem` needs `val`")
        others = set(inner) - {"val", "comment", "counter"}
        if others:
            raise UnknownRule(place, f"an element with `{min(others)}` is not known here")
        return inner["val"]
    return element


def add_all(
    place: ArtifactLine, elements: Elements[D], listed: object, data: Callable[[object], D], *, is_map: bool
) -> None:
    """Add a JSON list of elements. ``data`` reads the data of an element of a map; for a set it gets None."""
    if not isinstance(listed, list):
        raise LoadError(place, "elements are not a list")
    for element in listed:
        if not is_map:
            elements.add(place, element_parts(place, element), data(None))
        elif isinstance(element, list) and len(element) == 2:
            elements.add(place, element_parts(place, element[0]), data(element[1]))
        else:
            raise LoadError(place, f"{element} is no key with its data")
    elements.check_overlaps(place)


def all_data(elements: Elements[D]) -> Iterator[D]:
    """All data."""
    yield from elements.exact.values()
    yield from (data for _, data in elements.ranges)
    if elements.rest is not None:
        yield elements.rest

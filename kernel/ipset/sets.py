"""A set and its elements, printed and parsed as ``ipset save`` has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from svcc.kernel.ipset.runs import folded, unfolded
from svcc.kernel.json_values import Json, items, members, string, strings

#: The most characters of a set's name (IPSET_MAXNAMELEN with its final zero).
SET_NAME = 31

_FAMILIES = {"inet": 4, "inet6": 6}
_VERSIONS = {version: family for family, version in _FAMILIES.items()}
#: Options that have a value. The kernel chooses the last two itself.
_VALUED = frozenset({"family", "hashsize", "maxelem", "range", "bucketsize", "initval"})
_PORTS = re.compile(r"(\d+)-(\d+)")
#: Extensions whose values change with time or packets.
_MOVING = re.compile(r" (?:timeout|packets|bytes) \d+")


@dataclass(frozen=True, slots=True)
class Set:
    """A set. Two sets are equal whatever the order of their elements and the size of their hashes are."""

    name: str
    type: str  # hash:ip, hash:ip,port, bitmap:port, …
    elements: Mapping[str, str]  # from each, as ``ipset save`` prints it, to its options: "", or " nomatch"
    version: int | None = None  # of its addresses: 4 or 6; None: it holds none
    room: int | None = None  # how many elements it can hold; None: as many as its range has
    ports: tuple[int, int] | None = None  # for a bitmap:port, the first and the last port
    others: str = ""  # further options: " counters timeout 900"
    hashsize: int | None = field(default=None, compare=False)  # buckets to begin with; the hash grows by itself

    @property
    def kind(self) -> tuple[str, int | None]:
        """The type and the IP version, which two sets must have in common to be swapped (ipset(8))."""
        return self.type, self.version

    @property
    def created(self) -> tuple[object, ...]:
        """All properties that are given when a set is made, and cannot be changed later."""
        return self.type, self.version, self.room, self.ports, self.others

    @property
    def head(self) -> str:
        """Type and options without the size of the hash: "hash:ip,port family inet maxelem 65536"."""
        return self._printed(hashsize=False)

    @property
    def create_line(self) -> str:
        """The line that makes the set: "create CUSTOM-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem
        65536"."""
        return f"create {self.name} {self._printed(hashsize=True)}"

    def lines(self) -> Iterator[str]:
        """Yield the lines that ``ipset restore`` reads to make the set, without line ends."""
        yield self.create_line
        head = f"add {self.name} "
        for element, options in folded(self.elements):
            yield f"{head}{element}{options}"

    def _printed(self, *, hashsize: bool) -> str:
        text = self.type
        if self.version is not None:
            text += f" family {_VERSIONS[self.version]}"
        if hashsize and self.hashsize is not None:
            text += f" hashsize {self.hashsize}"
        if self.room is not None:
            text += f" maxelem {self.room}"
        if self.ports is not None:
            text += f" range {self.ports[0]}-{self.ports[1]}"
        return text + self.others


#: Sets by name, in the order in which they are printed.
Sets: TypeAlias = Mapping[str, Set]


def sets_text(sets: Iterable[Set]) -> str:
    """Return the text that ``ipset restore`` reads: each set's ``create`` line and its ``add`` lines."""
    return "".join([f"{line}\n" for one in sets for line in one.lines()])


def parse_sets(text: str) -> dict[str, Set]:
    """Return the sets in a text that ``ipset save`` or :func:`sets_text` printed. Errors: ValueError, with the line."""
    found: dict[str, Set] = {}
    moving, head, elements = False, "\0", dict[str, str]()
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(head):
            element, space, options = line[len(head) :].partition(" ")
            options = (_MOVING.sub("", f" {options}") if moving else f" {options}") if space else ""
            if "-" in element:
                elements.update(dict.fromkeys(unfolded(element), options))
            else:
                elements[element] = options
        elif line.startswith("create ") and line.count(" ") >= 2:
            _, name, created = line.split(" ", 2)
            head, elements = f"add {name} ", {}
            try:
                found[name] = set_created_with(name, created, elements)
            except ValueError:
                raise ValueError(f"line {number}: this makes no set: {line}") from None
            moving = "timeout " in found[name].others or "counters" in found[name].others
        elif line:
            raise ValueError(f"line {number}: neither `create` nor `add` to the set created last: {line}")
    return found


def set_created_with(name: str, created: str, elements: Mapping[str, str]) -> Set:
    """Return the set that is made with a type and options: "hash:ip,port family inet maxelem 65536".

    ``created``: the type and the options. Errors: ValueError.
    """
    type, *words = created.split()
    options: dict[str, str] = {}
    others = ""
    rest = iter(words)
    for word in rest:
        if word in _VALUED and (word != "range" or type == "bitmap:port"):
            options[word] = next(rest, "")
        else:
            others += f" {word}"
    family, room, hashsize = (options.get(word) for word in ("family", "maxelem", "hashsize"))
    if family is not None and family not in _FAMILIES:
        raise ValueError
    return Set(
        name,
        type,
        elements,
        None if family is None else _FAMILIES[family],
        None if room is None else int(room),
        _ports(options["range"]) if "range" in options else None,
        others,
        None if hashsize is None else int(hashsize),
    )


def _ports(text: str) -> tuple[int, int]:
    found = _PORTS.fullmatch(text)
    if found is None:
        raise ValueError
    return int(found[1]), int(found[2])


# -- JSON -------------------------------------------------------------------------------------------------------------


def dump_sets(sets: Sets) -> Json:
    """Return the sets in JSON's types. Where no element has options, they are a list: the file is a tenth smaller."""
    return {
        name: [one.head, "" if one.hashsize is None else f" hashsize {one.hashsize}", _dumped(one.elements)]
        for name, one in sets.items()
    }


def _dumped(elements: Mapping[str, str]) -> Json:
    some = dict(folded(elements))
    return some if any(some.values()) else [*some]


def load_sets(data: object) -> dict[str, Set]:
    """Return the sets that :func:`dump_sets` was given. Errors: ValueError, TypeError."""
    return {name: _loaded(name, *items(dumped)) for name, dumped in members(data).items()}


def _loaded(name: str, head: Json, hashsize: Json, listed: Json) -> Set:
    if isinstance(listed, dict):
        elements = {one: string(options) for one, options in listed.items()}
    else:
        elements = dict.fromkeys(strings(listed), "")
    return set_created_with(name, string(head) + string(hashsize), _each(elements))


def _each(elements: Mapping[str, str]) -> Mapping[str, str]:
    """Return the elements with each range of ports replaced by its elements."""
    if not any("-" in element for element in elements):
        return elements
    return {one: options for element, options in elements.items() for one in unfolded(element)}

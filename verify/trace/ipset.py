"""Reads sets as ``ipset restore`` does (ipset(8)), and looks packets up in them (net/netfilter/ipset)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, summarize_address_range
from itertools import product
from typing import TypeAlias

from svcc.compiler import ir
from svcc.verify.trace import values
from svcc.verify.trace.faults import ArtifactLine, UnknownRule
from svcc.verify.trace.flow import Flow
from svcc.verify.trace.lines import Reader, Words

NAME = 31  # characters (IPSET_MAXNAMELEN with its final zero)
_MAXELEM = 65_536

#: The set types, with the kind of each dimension. A port includes its protocol, except in a bitmap.
_TYPES: Mapping[str, tuple[str, ...]] = {
    "hash:ip": ("ip",),
    "hash:net": ("net",),
    "hash:ip,port": ("ip", "port"),
    "hash:net,port": ("net", "port"),
    "hash:ip,port,ip": ("ip", "port", "ip"),
    "hash:ip,port,net": ("ip", "port", "net"),
    "bitmap:port": ("bare port",),
}
_BITS = {4: 32, 6: 128}
#: The protocols whose ports sets can read, and those that bitmaps can read (ip_set_getport.c).
_WITH_PORTS = {"port": (6, 17, 132), "bare port": (6, 17)}

#: An address, a port (with its protocol in the higher bits), or a network and its prefix length.
Atom: TypeAlias = "int | tuple[int, int]"
Element: TypeAlias = tuple[Atom, ...]


@dataclass(slots=True)
class IpSet:
    """A set with its elements, and how a packet is looked up in it."""

    name: str
    type: str
    version: int  # 0: for any family
    room: int  # the most elements
    ports: tuple[int, int] = (0, 65_535)  # the range of a bitmap
    elements: dict[Element, bool] = field(default_factory=dict)  # False: the element is marked "nomatch"
    lengths: dict[int, int] = field(default_factory=dict)  # how many elements have each prefix length
    marks: dict[Element, tuple[int, int]] | None = None  # with their masks; None: elements have no marks
    kinds: tuple[str, ...] = field(init=False)
    _position: int | None = field(init=False)  # the dimension that is a network
    _protocols: tuple[int, ...] | None = field(init=False)  # None: any protocol

    def __post_init__(self) -> None:
        self.kinds = _TYPES[self.type]
        self._position = self.kinds.index("net") if "net" in self.kinds else None
        self._protocols = next((_WITH_PORTS[kind] for kind in self.kinds if kind in _WITH_PORTS), None)

    def holds(self, fields: tuple[int, ...] | None) -> bool:
        """Whether a packet is in the set. ``fields``: what a reader of the set (:meth:`reader`) reads of the packet."""
        if fields is None:
            return False
        if self._position is None:
            return fields in self.elements
        return self._holds_network(fields, self._position)

    def mark_of(self, fields: tuple[int, ...] | None, place: ArtifactLine) -> tuple[int, int] | None:
        """Return the mark and mask that the set has for a packet. Return None where the packet is not in the set.

        An element without a mark has mark 0 and mask 0, and so has every element of a set without marks. ``fields``:
        as for :meth:`holds`; ``place``: the line of the rule that asks.
        """
        if self.marks is not None and "net" in self.kinds:
            raise UnknownRule(place, "marks of networks are not followed here")
        if fields is None or not self.holds(fields):
            return None
        return (self.marks or {}).get(fields, (0, 0))

    def reader(self, sides: Sequence[str], place: ArtifactLine) -> Callable[[Flow], tuple[int, ...] | None]:
        """Return a function that reads from a packet what is looked up in the set. ``sides`` ("src", "dst") say which
        fields that are; ``place``: the line of the rule that asks.

        It reads None, and the packet is not in the set, where there are too few sides, the packet is of another family,
        or its protocol has no ports (ip_set_test, ip_set_core.c).
        """
        if len(sides) < len(self.kinds):
            return lambda _: None
        parts = [_field(kind, side, place) for kind, side in zip(self.kinds, sides, strict=False)]
        version, protocols = self.version, self._protocols

        def read(flow: Flow) -> tuple[int, ...] | None:
            if version not in (0, flow.version) or (protocols is not None and flow.protocol not in protocols):
                return None
            return tuple([part(flow) for part in parts])

        return read

    def _holds_network(self, fields: tuple[int, ...], position: int) -> bool:
        """Whether the set holds an address. The longest prefix decides, and it may be marked "nomatch"."""
        bits, address = _BITS[self.version], fields[position]
        for length in sorted(self.lengths, reverse=True):
            cut = bits - length
            key: list[Atom] = list(fields)
            key[position] = (address >> cut << cut, length)
            found = self.elements.get(tuple(key))
            if found is not None:
                return found
        return False

    def add(self, element: Element, match: bool) -> None:
        """Add an element; ``match`` is False for one that is marked "nomatch"."""
        if element not in self.elements:
            for atom in element:
                if isinstance(atom, tuple):
                    self.lengths[atom[1]] = self.lengths.get(atom[1], 0) + 1
        self.elements[element] = match


def _field(kind: str, side: str, place: ArtifactLine) -> Callable[[Flow], int]:
    """Return a function that reads one dimension of a set from a packet."""
    if kind in ("ip", "net"):
        return (lambda flow: int(flow.sender(place))) if side == "src" else (lambda flow: int(flow.destination))
    if side == "src":
        return lambda _: _unknown_port(place)
    return (lambda flow: flow.port) if kind == "bare port" else (lambda flow: flow.protocol << 16 | flow.port)


def _unknown_port(place: ArtifactLine) -> int:
    raise UnknownRule(place, "asks for the client's port, which a trace does not have")


# ---- reading


def read(part: str, text: str, sets: dict[str, IpSet]) -> None:
    """Make and fill sets as ``ipset -exist restore`` does. Errors: TraceError."""
    for words in Reader(part, text):
        verb = words.take()
        if verb == "create":
            made = _create(words)
            known = sets.setdefault(made.name, made)
            if known is not made and (known.type, known.version, known.ports) != (made.type, made.version, made.ports):
                raise words.refused(f"the set {made.name} is there already, and is another one")
        elif verb == "add":
            name = words.take("the set's name")
            if name not in sets:
                raise words.refused(f"there is no set {name}")
            _add(words, sets[name])
        else:
            raise words.unknown(verb)


def _create(words: Words) -> IpSet:
    name, type = words.take("the set's name"), words.take("the set's type")
    if len(name) > NAME:
        raise words.refused(f"{name} has more than {NAME} characters")
    if type not in _TYPES:
        raise words.unknown(type)
    made = IpSet(name, type, 0 if type == "bitmap:port" else 4, _MAXELEM)
    ranged = False
    while words:
        option = words.take()
        if option == "range" and type == "bitmap:port":
            made.ports, ranged = words.value(words.take(), lambda text: values.port_range(text, "-")), True
        elif option == "family" and type != "bitmap:port" and words.peek() in ("inet", "inet6"):
            made.version = 4 if words.take() == "inet" else 6
        elif option in ("hashsize", "maxelem") and type != "bitmap:port":
            size = words.value(words.take(), int)
            made.room = size if option == "maxelem" else made.room
        elif option == "skbinfo":
            made.marks = {}
        elif option not in ("comment", "counters"):
            raise words.unknown(option)
    if type == "bitmap:port" and not ranged:
        raise words.refused("a bitmap needs a range")
    return made


def _add(words: Words, ipset: IpSet) -> None:
    element = words.take("an element")
    match, mark = True, None
    while words:
        option = words.take()
        if option == "skbmark" and ipset.marks is not None:
            mark = words.value(words.take("the mark"), _mark)
        elif option == "nomatch" and "net" in ipset.kinds:
            match = False
        elif option == "comment":
            words.take("the comment")
        else:
            raise words.unknown(option)
    fields = element.split(",")
    if len(fields) != len(ipset.kinds):
        raise words.refused(f"{element} does not have {len(ipset.kinds)} parts, as {ipset.type} has")
    parsed = [list(_atoms(words, ipset, kind, text)) for kind, text in zip(ipset.kinds, fields, strict=True)]
    for atoms in product(*parsed):
        ipset.add(atoms, match)
        if mark is not None and ipset.marks is not None:
            ipset.marks[atoms] = mark
    if len(ipset.elements) > ipset.room:
        raise words.refused(f"the set {ipset.name} is full: maxelem {ipset.room}")


def _mark(text: str) -> tuple[int, int]:
    """Return value and mask of ``0x11/0xff``; without a mask, all bits count. Errors: ValueError."""
    value, masked, mask = text.partition("/")
    found = int(value, 16), int(mask, 16) if masked else 0xFFFF_FFFF
    if not all(0 <= number < 1 << 32 for number in found):
        raise ValueError(text)
    return found


def _atoms(words: Words, ipset: IpSet, kind: str, text: str) -> Iterator[Atom]:
    """Yield what one part of an element stands for: several atoms where it is a range."""
    if kind == "bare port":
        first, last = words.value(text, lambda t: values.port_range(t, "-"))
        if first < ipset.ports[0] or last > ipset.ports[1]:
            raise words.refused(f"{text} is outside of the range of {ipset.name}")
        yield from range(first, last + 1)
    elif kind == "port":
        name, found, ports = text.rpartition(":")
        protocol = words.value(name, values.protocol) if found else 6
        first, last = words.value(ports, lambda t: values.port_range(t, "-"))
        yield from (protocol << 16 | port for port in range(first, last + 1))
    else:
        yield from _addresses(words, ipset, kind, text)


def _between(first: str, last: str) -> list[ir.Network]:
    """Return the networks that cover the range. Errors: ValueError, TypeError."""
    one, other = values.address(first), values.address(last)
    if isinstance(one, IPv4Address) and isinstance(other, IPv4Address):
        return list(summarize_address_range(one, other))
    if isinstance(one, IPv6Address) and isinstance(other, IPv6Address):
        return list(summarize_address_range(one, other))
    raise ValueError("two families")


def _addresses(words: Words, ipset: IpSet, kind: str, text: str) -> Iterator[Atom]:
    """Yield a ``net`` part as networks, and an ``ip`` part as single addresses."""
    first, found, last = text.partition("-")
    if found:
        networks: list[ir.Network] = words.value(text, lambda _: _between(first, last))
    else:
        networks = [words.value(text, values.network)]
    for network in networks:
        if network.version != ipset.version:
            raise words.refused(f"{text} is of another family than the set {ipset.name}")
        if kind == "net" and network.prefixlen == 0:
            raise words.refused("no hash holds a /0")
        if kind == "net":
            yield int(network.network_address), network.prefixlen
        elif network.num_addresses > _MAXELEM:
            raise words.refused(f"{text} has too many addresses")
        else:
            yield from range(int(network[0]), int(network[-1]) + 1)

"""The state of our ipsets: as ``ipset save`` prints them, in a form that is the same for a live set and a text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TypeAlias

from svcc.kernel.steps import Place

#: How the names of sets end whose elements say which ports are served.
DECLARED = ("-CLUSTER-IP", "-NODE-PORT-TCP", "-NODE-PORT-UDP", "-NODE-PORT-SCTP")
#: And whose elements are the addresses that serve node ports.
NODE_IP = "-NODE-IP"

#: What the kernel chooses or lets grow by itself.
_HASHSIZE = re.compile(r" hashsize \d+")
_CHOSEN = re.compile(r" (?:bucketsize \d+|initval 0x[0-9a-f]+)")
#: Extensions whose values change with time or packets.
_MOVING = re.compile(r" (?:timeout|packets|bytes) \d+")
_MAXELEM = re.compile(r" maxelem (\d+)")


@dataclass(frozen=True, slots=True)
class Set:
    """One set. Elements compare whatever their order."""

    create: str  # type and options: "hash:ip,port family inet maxelem 65536"
    elements: Mapping[str, str]  # an element -> what follows it: "", or " nomatch"
    hashsize: str = field(default="", compare=False)  # " hashsize 1024", to begin with

    @property
    def type(self) -> str:
        return self.create.partition(" ")[0]

    @property
    def kind(self) -> tuple[str, bool]:
        """What two sets must agree in to be swapped: type and family (ipset(8))."""
        return self.type, " family inet6" in self.create

    @property
    def room(self) -> int | None:
        """How many elements it takes; None where its range says it."""
        found = _MAXELEM.search(self.create)
        return int(found[1]) if found else None

    def create_line(self, name: str) -> str:
        return f"create {name} {self.create}{self.hashsize}"

    def add_line(self, name: str, element: str) -> str:
        return f"add {name} {element}{self.elements[element]}"


#: By name, in the order of the text.
Sets: TypeAlias = Mapping[str, Set]


def parse_sets(text: str) -> dict[str, Set]:
    """What ``ipset save`` printed, or an artifact. Errors: ValueError, with the line."""
    found: dict[str, Set] = {}
    moving, head, elements = False, "\0", dict[str, str]()
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(head):
            element, space, options = line[len(head) :].partition(" ")
            elements[element] = (_MOVING.sub("", f" {options}") if moving else f" {options}") if space else ""
        elif line.startswith("create ") and line.count(" ") >= 2:
            _, name, rest = line.split(" ", 2)
            head, elements = f"add {name} ", {}
            created = _CHOSEN.sub("", f" {rest}")
            hashsize = _HASHSIZE.search(created)
            create = _HASHSIZE.sub("", created)[1:]
            moving = " timeout " in create or " counters" in create
            found[name] = Set(create, elements, hashsize[0] if hashsize else "")
        elif line:
            raise ValueError(f"line {number}: neither `create` nor `add` to the set created last: {line}")
    return found


def element_place(name: str, element: str) -> Place | None:
    """The frontend that an element of a set belongs to, where it says one: "198.19.10.1,tcp:80"."""
    _, node_port, protocol = name.rpartition("-NODE-PORT-")
    if node_port and element.isdecimal():
        return Place(None, protocol.lower(), int(element))
    if name.endswith("-LOOP-BACK"):
        return None
    words = element.split(",")
    if len(words) < 2:
        return None
    protocol, colon, port = words[1].partition(":")
    if not colon or not port.isdecimal():
        return None
    return Place(None if node_port else _address(words[0]), protocol, int(port))


def _address(text: str) -> str:
    """As ``str()`` of the address prints it; what is none, a person's text may hold, stays for its tool to refuse."""
    try:
        return str(ip_address(text))
    except ValueError:
        return text

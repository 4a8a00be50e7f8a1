"""Our tables as objects. The nft target makes them, and documents and listings are read into the same objects.

An element's key and value are text as nft prints it (``198.19.10.0 . tcp . 80``, ``goto spread-2-8080``): short strings
are quick to compare, and there may be a hundred thousand. Sets and chains are few. Things that somebody else put into
our tables are kept as JSON with sorted keys, so that they are noticed, and can be put back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from svcc.kernel.json_values import Json
from svcc.kernel.nft.statements import Rule

#: The families of our tables, in the order in which they are changed.
FAMILIES = ("ip", "ip6")

#: The value and the comment of an element; each is "" where there is none.
Element = tuple[str, str]

#: The type of the data of a verdict map.
VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Declaration:
    """The declaration of a set, or of a map."""

    types: tuple[str, ...]  # of the key's parts: "ipv4_addr", "inet_proto", "inet_service", …
    data: str | None = None  # the type of a map's values, or "verdict"; None: it is a set
    interval: bool = False  # whether elements may be networks and ranges
    timeout: bool = False  # whether rules add elements, which leave after a while
    size: int | None = None  # how many elements it can hold
    more: str = ""  # JSON of what svcc would not declare

    @property
    def kind(self) -> str:
        """The word for it in libnftables-json(5): "set" or "map"."""
        return "set" if self.data is None else "map"

    @property
    def dynamic(self) -> bool:
        """Whether rules add the elements, which leave after a while. Such elements are no part of the state."""
        return self.timeout or '"timeout"' in self.more

    def fields(self) -> dict[str, Json]:
        """Return the fields of the declaration in libnftables-json(5), in the order in which they are printed."""
        fields: dict[str, Json] = {"type": self.types[0] if len(self.types) == 1 else list(self.types)}
        if self.data is not None:
            fields["map"] = self.data
        flags = ["interval"] * self.interval + ["timeout"] * self.timeout
        if flags:
            fields["flags"] = flags
        if self.size is not None:
            fields["size"] = self.size
        if self.more:
            more = json.loads(self.more)
            fields |= more | ({"flags": sorted([*flags, *more["flags"]])} if "flags" in more else {})
        return fields


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A set or a map, with its elements."""

    declaration: Declaration
    elements: Mapping[str, Element] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The word for it in libnftables-json(5): "set" or "map"."""
        return self.declaration.kind

    @property
    def dynamic(self) -> bool:
        """Whether rules add its elements, so that these are no part of the state."""
        return self.declaration.dynamic


@dataclass(frozen=True, slots=True)
class Hook:
    """The place at which the kernel calls a base chain. The priority is a number: nft 1.0.6 makes a chain without a
    hook where it is a name."""

    type: str  # "nat" or "filter"
    hook: str  # "prerouting", "input", "output" or "postrouting"
    priority: int
    policy: str = "accept"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain with its rules."""

    rules: tuple[Rule, ...]
    hook: Hook | None = None  # None: it is no base chain
    more: str = ""  # JSON of what svcc would not give a chain

    def fields(self) -> dict[str, Json]:
        """Return the chain's fields in libnftables-json(5) besides name and rules, in the order in which they are
        printed."""
        fields: dict[str, Json] = {}
        if self.hook is not None:
            hook = self.hook
            fields |= {"type": hook.type, "hook": hook.hook, "prio": hook.priority, "policy": hook.policy}
        return fields | json.loads(self.more) if self.more else fields

    @property
    def is_base(self) -> bool:
        """Whether the kernel itself calls the chain, at a hook."""
        return "hook" in self.fields()


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one family, with its sets and chains by their names."""

    name: str
    attributes: str = "{}"  # JSON of its flags and comment; our tables have none
    sets: Mapping[str, NamedSet] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    others: tuple[tuple[str, str], ...] = ()  # kind and name of objects that svcc never makes: counters, flowtables, …

    @property
    def is_dormant(self) -> bool:
        """Whether somebody took all base chains of the table off their hooks (flag ``dormant``, nft(8))."""
        return self.attributes != "{}" and "dormant" in json.loads(self.attributes).get("flags", ())


@dataclass(frozen=True, slots=True)
class NftState:
    """Our tables by family. A family without a table is left out."""

    tables: Mapping[str, Table] = field(default_factory=dict)
    #: Why tables with our name are not ours, by family; they are not among ``tables``.
    foreign: Mapping[str, str] = field(default_factory=dict, compare=False)


def differing_keys(old: Mapping[str, Element], new: Mapping[str, Element]) -> set[str]:
    """Return the keys of the elements that are added, changed or removed."""
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def text(value: Json) -> str:
    """Return a value as JSON with sorted keys, the form in which live and wanted values are compared and shown."""
    return json.dumps(value, sort_keys=True)

"""What our two tables hold, as objects: the nft target makes them, and a document or a listing is read into the same.

An element's key and value are written as nft prints them (``198.19.10.0 . tcp . 80``, ``goto spread-2-8080``): short
strings, quick to compare, of which there are a hundred thousand. Sets and chains are few. Where somebody has put more
into our tables than svcc would, that is kept as JSON with sorted keys, so that it is seen, and can be put back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from svcc.kernel.json_values import Json
from svcc.kernel.nft.statements import Rule

#: The families of our tables, in the order in which they are changed.
FAMILIES = ("ip", "ip6")

#: (value, comment); each is "" where there is none.
Element = tuple[str, str]

#: What a map of verdicts has as its data.
VERDICT = "verdict"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a set is, or a map where ``data`` gives the type of what it maps to."""

    types: tuple[str, ...]  # of the key's parts: "ipv4_addr", "inet_proto", "inet_service", …
    data: str | None = None  # a type, or "verdict"
    interval: bool = False  # elements may be networks and ranges
    timeout: bool = False  # elements leave after a while; rules put them in
    size: int | None = None  # of elements, at most
    more: str = ""  # JSON of what svcc does not declare

    @property
    def kind(self) -> str:
        """The word for it in libnftables-json(5): "set" or "map"."""
        return "set" if self.data is None else "map"

    @property
    def dynamic(self) -> bool:
        """Whether rules put elements in, and time takes them out: they are no part of the state."""
        return self.timeout or '"timeout"' in self.more

    def fields(self) -> dict[str, Json]:
        """Its fields in libnftables-json(5), in the order in which they are printed."""
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
        """Whether packets put its elements in, so that these are no part of the state."""
        return self.declaration.dynamic


@dataclass(frozen=True, slots=True)
class Hook:
    """Where the kernel calls a base chain. Priorities are numbers: nft 1.0.6 drops the hook over a name."""

    type: str  # "nat" or "filter"
    hook: str  # "prerouting", "input", "output" or "postrouting"
    priority: int
    policy: str = "accept"


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain, and for a base chain where the kernel calls it."""

    rules: tuple[Rule, ...]
    hook: Hook | None = None  # of a base chain
    more: str = ""  # JSON of what svcc does not give a chain

    def fields(self) -> dict[str, Json]:
        """Its fields in libnftables-json(5) besides name and rules, in the order in which they are printed."""
        fields: dict[str, Json] = {}
        if self.hook is not None:
            hook = self.hook
            fields |= {"type": hook.type, "hook": hook.hook, "prio": hook.priority, "policy": hook.policy}
        return fields | json.loads(self.more) if self.more else fields

    @property
    def is_base(self) -> bool:
        """Whether packets come to it by themselves."""
        return "hook" in self.fields()


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one family, by the names of what is in it."""

    name: str
    attributes: str = "{}"  # JSON of its flags and comment: ours have none
    sets: Mapping[str, NamedSet] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    others: tuple[tuple[str, str], ...] = ()  # kind and name of what svcc never makes: counters, flowtables, …


@dataclass(frozen=True, slots=True)
class NftState:
    """Our tables by family; a family without one is not there."""

    tables: Mapping[str, Table] = field(default_factory=dict)


def differing_keys(old: Mapping[str, Element], new: Mapping[str, Element]) -> set[str]:
    """The keys of the elements that come, change or go."""
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def text(value: Json) -> str:
    """JSON in the one form in which what is there and what is wanted are shown side by side."""
    return json.dumps(value, sort_keys=True)

"""What a table holds: sets, maps, chains and their elements, as libnftables-json(5) adds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from svcc.targets.nft.expressions import Json
from svcc.targets.nft.statements import Statement


@dataclass(frozen=True, slots=True)
class Table:
    family: str  # "ip" or "ip6"
    name: str


@dataclass(frozen=True, slots=True)
class Set:
    """A named set, or a map where ``data`` gives the type of what it maps to."""

    name: str
    types: tuple[str, ...]  # of the key's parts: "ipv4_addr", "inet_proto", "inet_service", …
    data: str | None = None  # a type, or "verdict"
    interval: bool = False  # elements may be networks and ranges
    timeout: bool = False  # elements leave after a while; rules put them in
    size: int | None = None  # of elements, at most

    @property
    def kind(self) -> str:
        return "set" if self.data is None else "map"

    def fields(self) -> dict[str, Json]:
        key: Json = self.types[0] if len(self.types) == 1 else list(self.types)
        fields: dict[str, Json] = {"name": self.name, "type": key}
        if self.data is not None:
            fields["map"] = self.data
        if self.interval or self.timeout:
            fields["flags"] = ["interval"] * self.interval + ["timeout"] * self.timeout
        if self.size is not None:
            fields["size"] = self.size
        return fields


@dataclass(frozen=True, slots=True)
class Hook:
    """Where the kernel calls a base chain. Priorities are numbers: nft 1.0.6 drops the hook over a name."""

    type: str  # "nat" or "filter"
    hook: str  # "prerouting", "input", "output" or "postrouting"
    priority: int


@dataclass(frozen=True, slots=True)
class Chain:
    name: str
    rules: tuple[tuple[Statement, ...], ...]
    hook: Hook | None = None

    def fields(self) -> dict[str, Json]:
        fields: dict[str, Json] = {"name": self.name}
        if self.hook is not None:
            hook = self.hook
            fields |= {"type": hook.type, "hook": hook.hook, "prio": hook.priority, "policy": "accept"}
        return fields


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a set or map, each as its JSON text: there are a hundred thousand of them."""

    name: str
    lines: Sequence[str]


Object: TypeAlias = Set | Chain | Elements

"""The commands of a transaction, each with the name of the change that it makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from svcc.kernel.json_values import Json
from svcc.kernel.nft.elements import KnownKeys
from svcc.kernel.nft.statements import Rule, fields

#: The kind and the subject of a Change.
Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Command:
    """A command of libnftables-json(5). One about elements has the name of each element's change."""

    verb: str
    kind: str
    fields: dict[str, Json]
    name: Name
    elements: tuple[Json, ...] = ()
    names: tuple[str, ...] = ()  # the subjects of the elements, without the set

    def json(self, elements: Sequence[Json] | None = None) -> Json:
        """Return the command in the form of libnftables-json(5). ``elements``: those to name; None: all of them."""
        fields = self.fields
        if self.kind == "element":
            fields = fields | {"elem": list(self.elements if elements is None else elements)}
        return {self.verb: {self.kind: fields}}

    @property
    def size(self) -> int:
        """How many objects the command is about: the number of its elements, or 1."""
        return len(self.elements) if self.kind == "element" else 1


class Writer:
    """Writes commands about one table."""

    def __init__(self, family: str, table: str) -> None:
        self._family, self._table = family, table
        self._place: dict[str, Json] = {"family": family, "table": table}
        self.known: KnownKeys = {}

    def table(self, verb: str) -> Command:
        """Return a command about the table itself."""
        fields: dict[str, Json] = {"family": self._family, "name": self._table}
        return Command(verb, "table", fields, ("table", f"{self._family} {self._table}"))

    def object(self, verb: str, kind: str, name: str, more: dict[str, Json] | None = None) -> Command:
        """Return a command about a set, a map, a chain or another object with a name."""
        return Command(verb, kind, self._place | {"name": name} | (more or {}), (kind, self.subject(name)))

    def rule(self, chain: str, rule: Rule) -> Command:
        """Return a command that adds a rule at the end of a chain."""
        return Command("add", "rule", self._place | {"chain": chain} | fields(rule), ("chain", self.subject(chain)))

    def elements(self, verb: str, name: str, keys: Iterable[str], written: Iterable[Json]) -> Command:
        """Return a command about elements of a set or map. ``keys``: their keys as text; ``written``: the elements as
        JSON, in the same order."""
        fields = self._place | {"name": name}
        return Command(verb, "element", fields, ("element", self.subject(name)), tuple(written), tuple(keys))

    def subject(self, name: str) -> str:
        """Return the name of an object as messages have it, after the table's family."""
        return f"{self._family} {name}"

"""Read a JSON document member by member. Each member must be of its kind, and there may be no others."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import chain
from typing import TypeAlias, TypeVar, cast

from svcc.compiler.strict_json import loads
from svcc.compiler.suggest import shorten
from svcc.fleet.errors import BadDocument
from svcc.fleet.keys import fault, is_hash

#: The values of JSON, as the module `json` reads them.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

#: The version of documents that this svcc writes, and the only one that it reads.
VERSION = 1
#: The largest number in JSON that every reader reads exactly (RFC 8259, section 6).
_LARGEST = 2**53 - 1
#: How many characters a document may have. etcd itself refuses requests of more than 1.5 MiB.
_LIMIT = 2 << 20
#: How many characters a text for people may have.
WORDS = 2_000

_Choice = TypeVar("_Choice", bound=StrEnum)
_Made = TypeVar("_Made")


class JsonMembers:
    """The members of a JSON object, which are taken one after the other. Errors of each method: BadDocument."""

    def __init__(self, where: str, value: Json) -> None:
        """``where``: what the object is, for messages: mostly its key in etcd."""
        if not isinstance(value, dict):
            raise BadDocument(f"{where} is no JSON object")
        self._where = where
        self._rest = dict(value)

    def take(self, name: str) -> Json:
        """Take a member out, whatever its kind."""
        if name not in self._rest:
            raise BadDocument(f"{self._where} has no `{name}`")
        return self._rest.pop(name)

    def wrong(self, name: str, value: Json, wanted: str) -> BadDocument:
        """Return the error for a member that is not what was wanted."""
        said = shorten(json.dumps(value), 60)
        return BadDocument(f"{self._where}: `{name}` is {said}, and not {wanted}")

    def number(self, name: str, least: int = 0, most: int = _LARGEST) -> int:
        """Take a whole number of at least ``least`` and at most ``most``, which is 2^53 - 1 by default."""
        value = self.take(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            upto = "on" if most == _LARGEST else f"to {most}"
            raise self.wrong(name, value, f"a whole number from {least} {upto}")
        return value

    def seconds(self, name: str) -> float:
        """Take a time in seconds, which is not negative."""
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
            raise self.wrong(name, value, "a number of seconds")
        return float(value)

    def text(self, name: str, limit: int = WORDS) -> str:
        """Take a printable text of at most ``limit`` characters."""
        value = self.take(name)
        if not isinstance(value, str) or len(value) > limit or not _is_plain(value):
            raise self.wrong(name, value, f"a text of at most {limit} characters that can be printed")
        return value

    def name(self, name: str) -> str:
        """Take the name of a fleet, a node or a target."""
        value = self.take(name)
        if not isinstance(value, str) or fault(value) is not None:
            raise self.wrong(name, value, "a name")
        return value

    def hash(self, name: str) -> str:
        """Take a SHA-256 digest, in hexadecimal digits."""
        value = self.take(name)
        if not isinstance(value, str) or not is_hash(value):
            raise self.wrong(name, value, "a SHA-256 digest")
        return value

    def choice(self, name: str, kind: type[_Choice]) -> _Choice:
        """Take a word of an enumeration."""
        value = self.take(name)
        if not isinstance(value, str) or value not in [*kind]:
            raise self.wrong(name, value, f"one of {', '.join(kind)}")
        return kind(value)

    def by_node(self, name: str, read: Callable[[JsonMembers, str], _Made]) -> dict[str, _Made]:
        """Take an object with a member for each node, by its name; ``read`` reads one of them."""
        value = self.take(name)
        if not isinstance(value, dict):
            raise self.wrong(name, value, "an object")
        if bad := next((node for node in value if fault(node) is not None), None):
            raise self.wrong(name, bad, "the names of nodes alone")
        inner = JsonMembers(f"{self._where}: `{name}`", value)
        return {node: read(inner, node) for node in sorted(value)}

    def groups(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Take a list of lists of nodes, in which each node is once."""
        value = self.take(name)
        if not isinstance(value, list) or not value:
            raise self.wrong(name, value, "a list of lists of nodes")
        found = []
        for group in value:
            if not isinstance(group, list) or not group:
                raise self.wrong(name, group, "a list of nodes")
            found.append(tuple(node for node in group if isinstance(node, str) and fault(node) is None))
            if len(found[-1]) != len(group):
                raise self.wrong(name, group, "a list of nodes")
        if len({*chain.from_iterable(found)}) != sum(map(len, found)):
            raise self.wrong(name, value, "lists with each node once")
        return tuple(found)

    def inner(self, name: str) -> JsonMembers:
        """Take an object, and return its members."""
        return JsonMembers(f"{self._where}: `{name}`", self.take(name))

    def end(self) -> None:
        """Check that every member was taken. Errors: BadDocument."""
        if unknown := next(iter(self._rest), None):
            raise BadDocument(f"{self._where} has a member that svcc does not know: {shorten(json.dumps(unknown), 60)}")


def _is_plain(text: str) -> bool:
    """Whether a terminal shows a text as it is: it has no escapes, and nothing that cannot be encoded."""
    return all(sign.isprintable() or sign == "\n" for sign in text)


def members_of(key: str, text: str | bytes) -> JsonMembers:
    """Return the members of a document, after its version. Errors: BadDocument where it is no JSON object, or has
    another version."""
    if len(text) > _LIMIT:
        raise BadDocument(f"{key} is too long to be what svcc writes")
    try:
        value = cast("Json", loads(text))
    except (ValueError, RecursionError) as error:
        raise BadDocument(f"{key} is not JSON that svcc can read: {shorten(str(error), 100)}") from None
    members = JsonMembers(key, value)
    version = members.number("version")
    if version != VERSION:
        raise BadDocument(
            f"{key} has version {version}, and this svcc reads {VERSION}: "
            + ("a newer svcc wrote it; upgrade this one" if version > VERSION else "no svcc writes that")
        )
    return members


def text_of(document: Mapping[str, Json]) -> str:
    """Return the JSON text of a document, with its version. Equal documents give the same text, whatever the order of
    members."""
    return json.dumps({"version": VERSION, **document}, sort_keys=True, separators=(",", ":"))

"""A document as JSON, read member by member: each is of its kind, and there is none besides."""

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

#: JSON's own values, as `json` reads them.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

#: The version that this svcc writes, and the only one that it reads.
VERSION = 1
#: Numbers in JSON that every reader has as they are (RFC 8259, section 6).
_LARGEST = 2**53 - 1
#: Characters of a document. etcd itself refuses requests of more than 1.5 MiB.
_LIMIT = 2 << 20
#: Characters of a text that is for people.
WORDS = 2_000

_Choice = TypeVar("_Choice", bound=StrEnum)
_Made = TypeVar("_Made")


class JsonMembers:
    """The members of one object, taken one after the other. Errors of each: BadDocument."""

    def __init__(self, where: str, value: Json) -> None:
        """``where``: what the object is, for messages: the key that it stands at, most often."""
        if not isinstance(value, dict):
            raise BadDocument(f"{where} is no JSON object")
        self._where = where
        self._rest = dict(value)

    def take(self, name: str) -> Json:
        """A member of any kind, which is taken out."""
        if name not in self._rest:
            raise BadDocument(f"{self._where} has no `{name}`")
        return self._rest.pop(name)

    def wrong(self, name: str, value: Json, wanted: str) -> BadDocument:
        """The error about a member that is something else than what was wanted."""
        said = shorten(json.dumps(value), 60)
        return BadDocument(f"{self._where}: `{name}` is {said}, and not {wanted}")

    def number(self, name: str, least: int = 0, most: int = _LARGEST) -> int:
        """A whole number, of at least ``least`` and at most ``most``; 2^53 - 1 unless told."""
        value = self.take(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            upto = "on" if most == _LARGEST else f"to {most}"
            raise self.wrong(name, value, f"a whole number from {least} {upto}")
        return value

    def seconds(self, name: str) -> float:
        """A time in seconds, not negative."""
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
            raise self.wrong(name, value, "a number of seconds")
        return float(value)

    def text(self, name: str, limit: int = WORDS) -> str:
        """A text that can be printed, of at most ``limit`` characters."""
        value = self.take(name)
        if not isinstance(value, str) or len(value) > limit or not _is_plain(value):
            raise self.wrong(name, value, f"a text of at most {limit} characters that can be printed")
        return value

    def name(self, name: str) -> str:
        """A name as of a fleet, a node or a pool."""
        value = self.take(name)
        if not isinstance(value, str) or fault(value) is not None:
            raise self.wrong(name, value, "a name")
        return value

    def hash(self, name: str) -> str:
        """A SHA-256 digest, in hexadecimal digits."""
        value = self.take(name)
        if not isinstance(value, str) or not is_hash(value):
            raise self.wrong(name, value, "a SHA-256 digest")
        return value

    def choice(self, name: str, kind: type[_Choice]) -> _Choice:
        """One of the words of an enumeration."""
        value = self.take(name)
        if not isinstance(value, str) or value not in [*kind]:
            raise self.wrong(name, value, f"one of {', '.join(kind)}")
        return kind(value)

    def by_node(self, name: str, read: Callable[[JsonMembers, str], _Made]) -> dict[str, _Made]:
        """An object with a member for each node; ``read`` takes that of its name."""
        value = self.take(name)
        if not isinstance(value, dict):
            raise self.wrong(name, value, "an object")
        if bad := next((node for node in value if fault(node) is not None), None):
            raise self.wrong(name, bad, "the names of nodes alone")
        inner = JsonMembers(f"{self._where}: `{name}`", value)
        return {node: read(inner, node) for node in sorted(value)}

    def groups(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Lists of nodes, each node in one of them."""
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
        """The members of an object within this one."""
        return JsonMembers(f"{self._where}: `{name}`", self.take(name))

    def end(self) -> None:
        """Errors: BadDocument, where there is a member that nobody took."""
        if unknown := next(iter(self._rest), None):
            raise BadDocument(f"{self._where} has a member that svcc does not know: {shorten(json.dumps(unknown), 60)}")


def _is_plain(text: str) -> bool:
    """Whether a terminal shows a text as it is: no escapes, and nothing that cannot be encoded."""
    return all(sign.isprintable() or sign == "\n" for sign in text)


def members_of(key: str, text: str | bytes) -> JsonMembers:
    """The members of a document, after its version. Errors: BadDocument: no JSON object, or of another version."""
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
    """The JSON of a document: the same for the same members, whatever their order."""
    return json.dumps({"version": VERSION, **document}, sort_keys=True, separators=(",", ":"))

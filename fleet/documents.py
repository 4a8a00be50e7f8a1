"""What stands in etcd below a fleet's keys: each value as a typed document, and its JSON.

What comes from etcd is input, whoever wrote it: a document is read whole, or refused with what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain
from typing import TypeAlias, TypeVar, cast

from svcc.compiler.suggest import shorten
from svcc.fleet.errors import BadDocument
from svcc.fleet.keys import address_in, fault, is_hash

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


class Members:
    """The members of one object, taken one after the other. Errors of each: BadDocument."""

    def __init__(self, where: str, value: Json) -> None:
        """``where``: what the object is, for messages: the key that it stands at, most often."""
        if not isinstance(value, dict):
            raise BadDocument(f"{where} is no JSON object")
        self._where = where
        self._rest = dict(value)

    def take(self, name: str) -> Json:
        if name not in self._rest:
            raise BadDocument(f"{self._where} has no `{name}`")
        return self._rest.pop(name)

    def wrong(self, name: str, value: Json, wanted: str) -> BadDocument:
        said = shorten(json.dumps(value), 60)
        return BadDocument(f"{self._where}: `{name}` is {said}, and not {wanted}")

    def number(self, name: str, least: int = 0) -> int:
        value = self.take(name)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _LARGEST:
            raise self.wrong(name, value, f"a whole number from {least} on")
        return value

    def seconds(self, name: str) -> float:
        value = self.take(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
            raise self.wrong(name, value, "a number of seconds")
        return float(value)

    def truth(self, name: str) -> bool:
        value = self.take(name)
        if not isinstance(value, bool):
            raise self.wrong(name, value, "true or false")
        return value

    def text(self, name: str, limit: int = WORDS) -> str:
        value = self.take(name)
        if not isinstance(value, str) or len(value) > limit or not _is_plain(value):
            raise self.wrong(name, value, f"a text of at most {limit} characters that can be printed")
        return value

    def name(self, name: str) -> str:
        value = self.take(name)
        if not isinstance(value, str) or fault(value) is not None:
            raise self.wrong(name, value, "a name")
        return value

    def hash(self, name: str) -> str:
        value = self.take(name)
        if not isinstance(value, str) or not is_hash(value):
            raise self.wrong(name, value, "a SHA-256 digest")
        return value

    def choice(self, name: str, kind: type[_Choice]) -> _Choice:
        value = self.take(name)
        if not isinstance(value, str) or value not in [*kind]:
            raise self.wrong(name, value, f"one of {', '.join(kind)}")
        return kind(value)

    def by_node(self, name: str, read: Callable[[Members, str], _Made]) -> dict[str, _Made]:
        """An object with a member for each node; ``read`` takes that of its name."""
        value = self.take(name)
        if not isinstance(value, dict):
            raise self.wrong(name, value, "an object")
        if bad := next((node for node in value if fault(node) is not None), None):
            raise self.wrong(name, bad, "the names of nodes alone")
        inner = Members(f"{self._where}: `{name}`", value)
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

    def inner(self, name: str) -> Members:
        return Members(f"{self._where}: `{name}`", self.take(name))

    def end(self) -> None:
        """Errors: BadDocument, where there is a member that nobody took."""
        if unknown := next(iter(self._rest), None):
            raise BadDocument(f"{self._where} has a member that svcc does not know: {shorten(json.dumps(unknown), 60)}")


def _is_plain(text: str) -> bool:
    """Whether a terminal shows a text as it is: no escapes, and nothing that cannot be encoded."""
    return all(sign.isprintable() or sign == "\n" for sign in text)


def members_of(key: str, text: str | bytes) -> Members:
    """The members of a document, after its version. Errors: BadDocument: no JSON object, or of another version."""
    if len(text) > _LIMIT:
        raise BadDocument(f"{key} is too long to be what svcc writes")
    try:
        value = cast("Json", json.loads(text, object_pairs_hook=_once, parse_constant=_no_number))
    except (ValueError, RecursionError) as error:
        raise BadDocument(f"{key} is not JSON that svcc can read: {shorten(str(error), 100)}") from None
    members = Members(key, value)
    version = members.number("version")
    if version != VERSION:
        raise BadDocument(
            f"{key} has version {version}, and this svcc reads {VERSION}: "
            + ("a newer svcc wrote it; upgrade this one" if version > VERSION else "no svcc writes that")
        )
    return members


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_number(word: str) -> Json:
    raise ValueError(f"{word} is no number of JSON")


def text_of(document: Mapping[str, Json]) -> str:
    """The JSON of a document: the same for the same members, whatever their order."""
    return json.dumps({"version": VERSION, **document}, sort_keys=True, separators=(",", ":"))


# ---- head


def read_head(key: str, text: str | bytes) -> int:
    """The number of the newest release. Errors: BadDocument."""
    members = members_of(key, text)
    number = members.number("release", 1)
    members.end()
    return number


def head_text(number: int) -> str:
    return text_of({"release": number})


# ---- releases


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a release has for one node: the target's name, and the SHA-256 of the bundle's text."""

    target: str
    bundle: str


@dataclass(frozen=True, slots=True)
class Release:
    """A program that was published, which no one changes any more.

    ``program``: the SHA-256 of the packed program; ``pieces``: how many keys hold it. ``when`` is for people alone.
    """

    fleet: str
    number: int
    program: str
    pieces: int
    nodes: Mapping[str, Compiled]
    who: str = ""
    message: str = ""
    when: str = ""
    signature: str = field(default="", repr=False)  # "": nobody signed it

    @property
    def canonical(self) -> str:
        """What is signed: everything but the signature."""
        return text_of(self._members())

    @property
    def text(self) -> str:
        return text_of({**self._members(), "signature": self.signature})

    def _members(self) -> dict[str, Json]:
        nodes: dict[str, Json] = {
            name: {"target": one.target, "bundle": one.bundle} for name, one in self.nodes.items()
        }
        return {
            "fleet": self.fleet,
            "number": self.number,
            "program": self.program,
            "pieces": self.pieces,
            "nodes": nodes,
            "who": self.who,
            "message": self.message,
            "when": self.when,
        }

    @classmethod
    def read(cls, key: str, text: str | bytes) -> Release:
        """Errors: BadDocument."""
        members = members_of(key, text)
        found = cls(
            fleet=members.name("fleet"),
            number=members.number("number", 1),
            program=members.hash("program"),
            pieces=members.number("pieces", 1),
            nodes=members.by_node("nodes", _compiled),
            who=members.text("who"),
            message=members.text("message"),
            when=members.text("when"),
            signature=members.text("signature", 10_000),
        )
        members.end()
        return found

    def signed(self, signature: str) -> Release:
        return replace(self, signature=signature)


def _compiled(nodes: Members, node: str) -> Compiled:
    members = nodes.inner(node)
    found = Compiled(members.name("target"), members.hash("bundle"))
    members.end()
    return found


# ---- who answers for announced addresses


def able_text(addresses: Iterable[str]) -> str:
    """What stands at a living node's key: the announced addresses that it can answer for."""
    return text_of({"able": [*sorted(addresses)]})


def read_able(key: str, text: str | bytes) -> frozenset[str]:
    """The addresses that a living node can answer for; nothing is said: none. Errors: BadDocument."""
    if not text:
        return frozenset()
    members = members_of(key, text)
    found = members.take("able")
    members.end()
    if not isinstance(found, list):
        raise members.wrong("able", found, "a list of addresses")
    addresses = [one for one in found if isinstance(one, str) and address_in("", one) is not None]
    if len(addresses) != len(found):
        raise members.wrong("able", found, "a list of addresses")
    return frozenset(addresses)


def holder_text(node: str) -> str:
    return text_of({"node": node})


def read_holder(key: str, text: str | bytes) -> str:
    """The node that answers for an address. Errors: BadDocument."""
    members = members_of(key, text)
    node = members.name("node")
    members.end()
    return node


# ---- what nodes shall do, and what they say


@dataclass(frozen=True, slots=True, order=True)
class Want:
    """What one node shall do. ``epoch`` only grows: an agent follows no smaller one than it followed before.

    ``release``: 0 where there is none to go back to: the node keeps what it serves.
    """

    epoch: int
    release: int

    @property
    def text(self) -> str:
        return text_of({"release": self.release, "epoch": self.epoch})

    @classmethod
    def read(cls, key: str, text: str | bytes) -> Want:
        """Errors: BadDocument."""
        members = members_of(key, text)
        found = cls(release=members.number("release"), epoch=members.number("epoch", 1))
        members.end()
        return found


class State(StrEnum):
    """How a node stands with what it shall do."""

    APPLYING = "applying"  # it is at it, or waits to confirm
    APPLIED = "applied"  # applied and confirmed
    FAILED = "failed"  # it cannot, and serves what it served before
    REFUSED = "refused"  # it will not: a smaller epoch, a signature, a hash


@dataclass(frozen=True, slots=True)
class Status:
    """What a node says of itself.

    ``want``: what this is about; ``followed``: the largest epoch that it followed; ``serves``: the release that it
    serves, 0: none of the fleet's. ``down``: services all of whose endpoints fail their checks; ``drift``: objects that
    somebody changed. ``words``: why, for people.
    """

    want: Want
    state: State
    serves: int
    followed: int = 0
    down: int = 0
    drift: int = 0
    words: str = ""
    svcc: str = ""  # the version of the agent

    @property
    def text(self) -> str:
        return text_of(
            {
                "release": self.want.release,
                "epoch": self.want.epoch,
                "state": self.state.value,
                "serves": self.serves,
                "followed": self.followed,
                "down": self.down,
                "drift": self.drift,
                "words": self.words,
                "svcc": self.svcc,
            }
        )

    @classmethod
    def read(cls, key: str, text: str | bytes) -> Status:
        """Errors: BadDocument."""
        members = members_of(key, text)
        found = cls(
            want=Want(release=members.number("release"), epoch=members.number("epoch")),
            state=members.choice("state", State),
            serves=members.number("serves"),
            followed=members.number("followed"),
            down=members.number("down"),
            drift=members.number("drift"),
            words=members.text("words"),
            svcc=members.text("svcc"),
        )
        members.end()
        return found


def plain(text: str) -> str:
    """A text of somebody else's as one that a document takes: signs that cannot be printed become U+FFFD."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in shorten(text, WORDS - 100))

"""The documents in etcd below a fleet's keys: each value as a typed object, and as JSON.

A document from etcd is input, whoever wrote it. It is read completely, or refused with what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from svcc.compiler.suggest import shorten
from svcc.fleet.document_members import WORDS, Json, JsonMembers, members_of, text_of
from svcc.fleet.keys import address_in

# ---- head


def read_head(key: str, text: str | bytes) -> int:
    """Return the number of the newest release. Errors: BadDocument."""
    members = members_of(key, text)
    number = members.number("release", 1)
    members.end()
    return number


def head_text(number: int) -> str:
    """Return the document that says which release is the newest."""
    return text_of({"release": number})


# ---- releases


@dataclass(frozen=True, slots=True)
class Compiled:
    """A node's part of a release: its target's name, and the SHA-256 of its bundle's text."""

    target: str
    bundle: str


@dataclass(frozen=True, slots=True)
class Release:
    """A published program, which nobody changes any more.

    ``program``: the SHA-256 of the compressed program; ``pieces``: how many keys hold it. ``when`` is only shown to
    people.
    """

    fleet: str
    number: int
    program: str
    pieces: int
    nodes: Mapping[str, Compiled]
    who: str = ""
    message: str = ""
    when: str = ""
    signature: str = field(default="", repr=False)  # "" where nobody signed it

    @property
    def canonical(self) -> str:
        """The text that is signed: the document without its signature."""
        return text_of(self._members())

    @property
    def text(self) -> str:
        """The document in etcd, with its signature."""
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
        """Read a release from its document. Errors: BadDocument."""
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
        """Return the same release with a signature."""
        return replace(self, signature=signature)


def _compiled(nodes: JsonMembers, node: str) -> Compiled:
    members = nodes.inner(node)
    found = Compiled(members.name("target"), members.hash("bundle"))
    members.end()
    return found


# ---- who answers for announced addresses


def able_text(addresses: Iterable[str]) -> str:
    """Return the document of a living node: the announced addresses for which it can answer."""
    return text_of({"able": [*sorted(addresses)]})


def read_able(key: str, text: str | bytes) -> frozenset[str]:
    """Return the addresses for which a living node can answer; none where its document is empty. Errors:
    BadDocument."""
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
    """Return the document that says which node answers for an address."""
    return text_of({"node": node})


def read_holder(key: str, text: str | bytes) -> str:
    """Return the node that answers for an address. Errors: BadDocument."""
    members = members_of(key, text)
    node = members.name("node")
    members.end()
    return node


# ---- what nodes shall do, and what they report


@dataclass(frozen=True, slots=True, order=True)
class Want:
    """What a node shall do: follow a release. ``epoch`` only grows: an agent never follows a smaller one than before.

    ``release`` 0: the node keeps what it serves, as it has no release to go back to.
    """

    epoch: int
    release: int

    @property
    def text(self) -> str:
        """The document in etcd."""
        return text_of({"release": self.release, "epoch": self.epoch})

    @classmethod
    def read(cls, key: str, text: str | bytes) -> Want:
        """Read a want from its document. Errors: BadDocument."""
        members = members_of(key, text)
        found = cls(release=members.number("release"), epoch=members.number("epoch", 1))
        members.end()
        return found


class NodeState(StrEnum):
    """How far a node is with what it shall do."""

    APPLYING = "applying"  # it is applying, or waits for the confirmation
    APPLIED = "applied"  # applied and confirmed
    FAILED = "failed"  # it could not, and serves what it served before
    REFUSED = "refused"  # it does not follow: because of a smaller epoch, a signature, or a hash


#: The largest release and epoch that a node may report. Publishing goes on from these after a backup of etcd was
#: restored: a node that reported the largest possible number would leave none for others.
MOST_TOLD = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Status:
    """What a node reports of itself.

    ``want``: the want that this is about; ``followed``: the largest epoch that the node followed; ``serves``: the
    release that it serves, 0 where it is none of the fleet's. ``down``: how many services have all endpoints failing
    their checks; ``drift``: how many objects in the kernel others changed. ``words``: the reason, for people.
    """

    want: Want
    state: NodeState
    serves: int
    followed: int = 0
    down: int = 0
    drift: int = 0
    words: str = ""
    svcc: str = ""  # the version of the agent

    @property
    def text(self) -> str:
        """The document in etcd."""
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
        """Read a status from its document. Errors: BadDocument."""
        members = members_of(key, text)
        found = cls(
            want=Want(release=members.number("release"), epoch=members.number("epoch")),
            state=members.choice("state", NodeState),
            serves=members.number("serves", most=MOST_TOLD),
            followed=members.number("followed", most=MOST_TOLD),
            down=members.number("down"),
            drift=members.number("drift"),
            words=members.text("words"),
            svcc=members.text("svcc"),
        )
        members.end()
        return found


def plain(text: str) -> str:
    """Return a foreign text as a document may hold it: shortened, and with U+FFFD for what cannot be printed."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in shorten(text, WORDS - 100))

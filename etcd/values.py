"""The data of the client: what etcd stores, what it is asked, and what it answers. Keys are text, values are bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

#: etcd's default limits for a request, also in Debian: operations and bytes (--max-txn-ops, --max-request-bytes).
MOST_OPERATIONS, MOST_BYTES = 128, 1536 * 1024


@dataclass(frozen=True)
class Credentials:
    """A user of etcd. The client exchanges user and password for a token, and renews that when it expires."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Tls:
    """Files in PEM, for addresses that begin with ``https``.

    ``ca`` holds the authorities that may sign members' certificates (None: those that the machine trusts).
    ``certificate`` and ``key`` are for members that ask for a certificate (``--client-cert-auth``); the key may be in
    the file of ``certificate``.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class Entry:
    """A key and its value, as they are at one revision of the store.

    ``version`` counts the puts since the key was created, from 1; ``lease`` is 0 for a key without one.
    """

    key: str
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int = 0


@dataclass(frozen=True)
class Listing:
    """All entries below a prefix, sorted by key, at one revision of one cluster."""

    entries: tuple[Entry, ...]
    revision: int
    cluster: int

    def by_key(self) -> Mapping[str, Entry]:
        """Return the entries by key."""
        return {entry.key: entry for entry in self.entries}


@dataclass(frozen=True)
class Change:
    """A change of a key: its new entry, or None where it was deleted or its lease ended."""

    key: str
    entry: Entry | None
    revision: int


@dataclass(frozen=True)
class Changes:
    """Changes in the order in which they took place; the watcher has seen all up to ``revision``."""

    changes: tuple[Change, ...]
    revision: int


@dataclass(frozen=True)
class Lease:
    """A lease: keys that are put with it are deleted when it ends. ``ttl`` is in seconds, as etcd granted it (at least
    1)."""

    id: int
    ttl: int


class Field(Enum):
    """The field of a key that a comparison is about; the values are the gateway's words."""

    VALUE = "VALUE"
    VERSION = "VERSION"
    CREATED = "CREATE"
    MODIFIED = "MOD"
    LEASE = "LEASE"


class Relation(Enum):
    """The relation between a field and the operand of a comparison; the values are the gateway's words."""

    EQUAL = "EQUAL"
    NOT_EQUAL = "NOT_EQUAL"
    GREATER = "GREATER"
    LESS = "LESS"


@dataclass(frozen=True)
class Compare:
    """A condition of a transaction; :func:`absent`, :func:`unchanged` and their like make the usual ones."""

    key: str
    field: Field
    relation: Relation
    operand: int | bytes


def absent(key: str) -> Compare:
    """Return the condition that there is no such key."""
    return Compare(key, Field.VERSION, Relation.EQUAL, 0)


def present(key: str) -> Compare:
    """Return the condition that there is such a key, whatever it holds."""
    return Compare(key, Field.VERSION, Relation.GREATER, 0)


def unchanged(entry: Entry) -> Compare:
    """Return the condition that nobody put or deleted the key since the entry was read."""
    return Compare(entry.key, Field.MODIFIED, Relation.EQUAL, entry.mod_revision)


def created_at(key: str, revision: int) -> Compare:
    """Return the condition that the key was created at this revision, and not deleted since, whatever it holds."""
    return Compare(key, Field.CREATED, Relation.EQUAL, revision)


def as_read(key: str, entry: Entry | None) -> Compare:
    """Return the condition that the key is unchanged since it was read; None as entry means that it did not exist."""
    return absent(key) if entry is None else unchanged(entry)


def has_value(key: str, value: bytes) -> Compare:
    """Return the condition that the key has this value."""
    return Compare(key, Field.VALUE, Relation.EQUAL, value)


def leased(key: str, lease: Lease) -> Compare:
    """Return the condition that the key is bound to this lease."""
    return Compare(key, Field.LEASE, Relation.EQUAL, lease.id)


@dataclass(frozen=True)
class Put:
    """Give a key a value. Without a lease the key is not bound to one, even if it was before."""

    key: str
    value: bytes
    lease: Lease | None = None


@dataclass(frozen=True)
class Delete:
    """Delete a key, or with ``prefix`` all keys that begin with it; no error where there is none."""

    key: str
    prefix: bool = False


@dataclass(frozen=True)
class Get:
    """Read a key, or with ``prefix`` all keys that begin with it."""

    key: str
    prefix: bool = False


Operation = Put | Delete | Get


@dataclass(frozen=True)
class Outcome:
    """The result of a transaction.

    ``succeeded`` says whether all comparisons held, so that ``then`` was done, or else ``otherwise``. ``found`` has,
    for each operation that was done, the entries that a :class:`Get` found (none for the others).
    """

    succeeded: bool
    revision: int
    found: tuple[tuple[Entry, ...], ...] = ()

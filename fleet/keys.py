"""The keys of a fleet in etcd. Only this module makes and reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from svcc.fleet.errors import BadName

#: A part of a key. It has no slash, which separates parts, and nothing that is hard to type or special to a shell.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_FORM = "it is at most 63 letters, digits, `_`, `.` and `-`, and begins with a letter, a digit or `_`"
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_HASH = re.compile(r"[0-9a-f]{64}")


def fault(name: str) -> str | None:
    """Why nothing in a fleet can have this name; None where it can."""
    return None if _NAME.fullmatch(name) else _FORM


def check_name(what: str, name: str) -> str:
    """Return the name itself. ``what``: "fleet", "node" or "pool". Errors: BadName."""
    if (wrong := fault(name)) is not None:
        raise BadName(f"`{name}` cannot name a {what}: {wrong}")
    return name


def is_hash(text: str) -> bool:
    """Whether a text is a SHA-256 digest in lower-case hexadecimal digits."""
    return _HASH.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one fleet, as /svcc/FLEET/…. Errors: BadName where a fleet cannot have this name."""

    fleet: str

    def __post_init__(self) -> None:
        check_name("fleet", self.fleet)

    @property
    def all(self) -> str:
        """The prefix of all keys of the fleet."""
        return f"/svcc/{self.fleet}/"

    @property
    def head(self) -> str:
        """The key of the newest release's number."""
        return f"{self.all}head"

    @property
    def rollout(self) -> str:
        """The key of the rollout that is under way, or was the last."""
        return f"{self.all}rollout"

    @property
    def lock(self) -> str:
        """The key that the driver of the rollout holds, by its lease."""
        return f"{self.all}lock"

    @property
    def releases(self) -> str:
        """The prefix of the keys of all releases."""
        return f"{self.all}release/"

    def release(self, number: int) -> str:
        """Return the key of the release with a number."""
        return f"{self.releases}{number}"

    @property
    def blobs(self) -> str:
        """The prefix of the keys of all programs."""
        return f"{self.all}blob/"

    def pieces(self, hash: str) -> str:
        """Return the prefix of the keys of a program's pieces."""
        return f"{self.blobs}{hash}/"

    def blob(self, hash: str, piece: int) -> str:
        """Return the key of a piece of a program; pieces count from 0."""
        return f"{self.pieces(hash)}{piece}"

    @property
    def wants(self) -> str:
        """The prefix of the keys of what nodes shall do."""
        return f"{self.all}want/"

    def want(self, node: str) -> str:
        """Return the key of what a node shall do."""
        return f"{self.wants}{check_name('node', node)}"

    @property
    def lives(self) -> str:
        """The prefix of the keys by which agents show that they live."""
        return f"{self.all}alive/"

    def alive(self, node: str) -> str:
        """Return the key that exists as long as a node's agent lives, by its lease."""
        return f"{self.lives}{check_name('node', node)}"

    @property
    def statuses(self) -> str:
        """The prefix of the keys of what nodes report."""
        return f"{self.all}status/"

    def status(self, node: str) -> str:
        """Return the key of what a node reports of itself."""
        return f"{self.statuses}{check_name('node', node)}"

    @property
    def holders(self) -> str:
        """The prefix of the keys that say which machine answers for an announced address."""
        return f"{self.all}holder/"

    def holder(self, address: str) -> str:
        """Return the key that says which machine answers for an address. ``address``: in its canonical form."""
        return f"{self.holders}{address}"

    @property
    def pools(self) -> str:
        """The prefix of the keys of endpoints that registered themselves."""
        return f"{self.all}pool/"

    def registered(self, pool: str, endpoint: str) -> str:
        """Return the key of an endpoint in a pool: ``ADDRESS``, ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``, in its
        canonical form."""
        return f"{self.pools}{check_name('pool', pool)}/{endpoint}"


def last_part(beginning: str, key: str) -> str | None:
    """Return what follows a prefix in a key, such as a node's name; None where svcc does not write such a key."""
    rest = key.removeprefix(beginning)
    return rest if key.startswith(beginning) and fault(rest) is None else None


def address_in(beginning: str, key: str) -> str | None:
    """Return the address that follows a prefix in a key; None where that is no address in its canonical form."""
    rest = key.removeprefix(beginning)
    try:
        return rest if key.startswith(beginning) and "%" not in rest and str(ip_address(rest)) == rest else None
    except ValueError:
        return None


def number_in(beginning: str, key: str) -> int | None:
    """Return the number of a release from its key; None where it has none."""
    rest = last_part(beginning, key)
    return int(rest) if rest is not None and _NUMBER.fullmatch(rest) else None

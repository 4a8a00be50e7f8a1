"""The keys of a fleet in etcd. They are made and read here alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from svcc.fleet.errors import BadName

#: A part of a key: no slash, which parts them, and nothing that a person cannot type or a shell takes apart.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_FORM = "it is at most 63 letters, digits, `_`, `.` and `-`, and begins with a letter, a digit or `_`"
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_HASH = re.compile(r"[0-9a-f]{64}")


def fault(name: str) -> str | None:
    """Why no fleet and no node of a fleet can be called so; None: it can."""
    return None if _NAME.fullmatch(name) else _FORM


def check_name(what: str, name: str) -> str:
    """The name itself. ``what``: "fleet", "node" or "pool". Errors: BadName."""
    if (wrong := fault(name)) is not None:
        raise BadName(f"`{name}` cannot name a {what}: {wrong}")
    return name


def is_hash(text: str) -> bool:
    """Whether a text is a SHA-256 digest in lower-case hexadecimal digits."""
    return _HASH.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one fleet, as /svcc/FLEET/…. Errors: BadName, where it cannot be called so."""

    fleet: str

    def __post_init__(self) -> None:
        check_name("fleet", self.fleet)

    @property
    def all(self) -> str:
        """The beginning of all keys of the fleet."""
        return f"/svcc/{self.fleet}/"

    @property
    def head(self) -> str:
        """The number of the newest release."""
        return f"{self.all}head"

    @property
    def rollout(self) -> str:
        """The rollout that is under way, or that was the last."""
        return f"{self.all}rollout"

    @property
    def lock(self) -> str:
        """Who drives the rollout, for as long as their lease lives."""
        return f"{self.all}lock"

    @property
    def releases(self) -> str:
        """The beginning of the keys of all releases."""
        return f"{self.all}release/"

    def release(self, number: int) -> str:
        """The release of a number."""
        return f"{self.releases}{number}"

    @property
    def blobs(self) -> str:
        """The beginning of the keys of all programs."""
        return f"{self.all}blob/"

    def pieces(self, hash: str) -> str:
        """The beginning of the keys of a program's pieces."""
        return f"{self.blobs}{hash}/"

    def blob(self, hash: str, piece: int) -> str:
        """A piece of a program, counted from 0."""
        return f"{self.pieces(hash)}{piece}"

    @property
    def wants(self) -> str:
        """The beginning of the keys of what all nodes shall do."""
        return f"{self.all}want/"

    def want(self, node: str) -> str:
        """What a node shall do."""
        return f"{self.wants}{check_name('node', node)}"

    @property
    def lives(self) -> str:
        """The beginning of the keys by which agents show that they live."""
        return f"{self.all}alive/"

    def alive(self, node: str) -> str:
        """The key that lives as long as a node's agent, by its lease."""
        return f"{self.lives}{check_name('node', node)}"

    @property
    def statuses(self) -> str:
        """The beginning of the keys of what all nodes say."""
        return f"{self.all}status/"

    def status(self, node: str) -> str:
        """What a node says of itself."""
        return f"{self.statuses}{check_name('node', node)}"

    @property
    def holders(self) -> str:
        """The beginning of the keys of which machine answers for an announced address."""
        return f"{self.all}holder/"

    def holder(self, address: str) -> str:
        """``address``: in its canonical form."""
        return f"{self.holders}{address}"

    @property
    def pools(self) -> str:
        """The beginning of the keys of what registered itself."""
        return f"{self.all}pool/"

    def registered(self, pool: str, endpoint: str) -> str:
        """An endpoint of a pool, ``ADDRESS``, ``ADDRESS:PORT`` or ``[ADDRESS]:PORT``, in its canonical form."""
        return f"{self.pools}{check_name('pool', pool)}/{endpoint}"


def last_part(beginning: str, key: str) -> str | None:
    """What follows a beginning in a key, such as a node's name; None: nothing that svcc wrote there."""
    rest = key.removeprefix(beginning)
    return rest if key.startswith(beginning) and fault(rest) is None else None


def address_in(beginning: str, key: str) -> str | None:
    """The address that follows a beginning in a key, in its canonical form; None: nothing that svcc wrote there."""
    rest = key.removeprefix(beginning)
    try:
        return rest if key.startswith(beginning) and "%" not in rest and str(ip_address(rest)) == rest else None
    except ValueError:
        return None


def number_in(beginning: str, key: str) -> int | None:
    """The number of a release in its key; None: it has none."""
    rest = last_part(beginning, key)
    return int(rest) if rest is not None and _NUMBER.fullmatch(rest) else None

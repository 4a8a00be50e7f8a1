"""Read what a fleet has in etcd, as documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.etcd.client import Client
from svcc.etcd.values import Entry, Get
from svcc.fleet.blobs import MOST_PIECES, unpack
from svcc.fleet.documents import Release, Status, Want, read_head, read_holder
from svcc.fleet.errors import BadDocument, BadProgram, FleetError
from svcc.fleet.keys import Keys, address_in, last_part, number_in
from svcc.fleet.release import read_program
from svcc.fleet.rollout import Rollout, Seen


class NoRelease(FleetError):
    """There is no release of this number, or none at all."""


async def head_of(etcd: Client, keys: Keys) -> tuple[int, Entry | None]:
    """Return the number of the newest release, 0 where there is none; and the entry that holds it.

    Errors: BadDocument, EtcdError.
    """
    entry = await etcd.get(keys.head)
    return (0 if entry is None else read_head(entry.key, entry.value)), entry


async def newest(etcd: Client, keys: Keys) -> int:
    """Return the number of the newest release. Errors: NoRelease, BadDocument, EtcdError."""
    number, _ = await head_of(etcd, keys)
    if not number:
        raise NoRelease(f"nothing was published for fleet {keys.fleet} yet")
    return number


async def release_of(etcd: Client, keys: Keys, number: int) -> Release:
    """Return the release with a number. Errors: NoRelease, BadDocument, EtcdError."""
    entry = await etcd.get(keys.release(number))
    if entry is None:
        raise NoRelease(f"fleet {keys.fleet} has no release {number}")
    return _release(keys, number, entry)


async def releases_of(etcd: Client, keys: Keys) -> list[Release]:
    """Return all releases, the newest first. Errors: BadDocument, EtcdError."""
    listing = await etcd.list(keys.releases)
    numbered = [(number_in(keys.releases, entry.key), entry) for entry in listing.entries]
    found = [_release(keys, number, entry) for number, entry in numbered if number is not None]
    return sorted(found, key=lambda release: release.number, reverse=True)


def _release(keys: Keys, number: int, entry: Entry) -> Release:
    """Read a release from its entry. Errors: BadDocument where it is of another fleet or number: a signature holds only
    there."""
    found = Release.read(entry.key, entry.value)
    if (found.fleet, found.number) != (keys.fleet, number):
        raise BadDocument(f"{entry.key} holds release {found.number} of fleet {found.fleet}")
    return found


async def pieces_of(etcd: Client, keys: Keys, release: Release) -> list[bytes]:
    """Return the pieces of a release's program, unchecked. Errors: BadProgram where one is missing; EtcdError."""
    if release.pieces > MOST_PIECES:
        raise BadProgram(f"release {release.number} has {release.pieces} pieces, and a fleet takes {MOST_PIECES}")
    found = []
    for piece in range(release.pieces):
        entry = await etcd.get(keys.blob(release.program, piece))
        if entry is None:
            raise BadProgram(f"piece {piece + 1} of {release.pieces} of release {release.number} is missing")
        found.append(entry.value)
    return found


async def program_of(etcd: Client, keys: Keys, release: Release) -> ir.Program:
    """Return the program of a release. Errors: BadProgram, InputError, EtcdError."""
    return read_program(unpack(release.program, await pieces_of(etcd, keys, release)))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A fleet's nodes and its rollout, all of them at one revision of etcd.

    ``entries``: by key, the entries from which the rollout, the lock and the wants were read.
    """

    rollout: Rollout | None
    nodes: Mapping[str, Seen]
    entries: Mapping[str, Entry]


async def snapshot(etcd: Client, keys: Keys) -> Snapshot:
    """Return all nodes that shall do something, report something, live or hold an address; and the rollout.

    A status that cannot be read counts as none, and its node says why. Errors: BadDocument where a want or the rollout
    cannot be read; EtcdError.
    """
    asked = [Get(keys.rollout), Get(keys.lock), *(Get(one, prefix=True) for one in (keys.wants, keys.statuses))]
    asked += [Get(keys.lives, prefix=True), Get(keys.holders, prefix=True)]
    found = (await etcd.transact([], asked)).found
    entries = {entry.key: entry for entry in (*found[0], *found[1], *found[2])}
    rollout = [Rollout.read(entry.key, entry.value) for entry in found[0]]
    wants, statuses, lives = (
        {node: entry for entry in part if (node := last_part(beginning, entry.key)) is not None}
        for beginning, part in zip((keys.wants, keys.statuses, keys.lives), found[2:5], strict=True)
    )
    held = _held(keys, found[5])
    nodes = {}
    for node in sorted({*wants, *statuses, *lives, *held}):
        status, unread = _status(statuses.get(node))
        nodes[node] = Seen(_want(wants.get(node)), status, node in lives, tuple(held.get(node, ())), unread)
    return Snapshot(rollout[0] if rollout else None, nodes, entries)


def _held(keys: Keys, entries: Iterable[Entry]) -> dict[str, list[str]]:
    """Return the announced addresses by the node that answers for them, without those that cannot be read."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        if (address := address_in(keys.holders, entry.key)) is not None:
            with suppress(BadDocument):
                found.setdefault(read_holder(entry.key, entry.value), []).append(address)
    return found


def _want(entry: Entry | None) -> Want | None:
    return None if entry is None else Want.read(entry.key, entry.value)


def _status(entry: Entry | None) -> tuple[Status | None, str]:
    """Return what a node reports, and why that cannot be read, or "". No node can block the others by what it
    writes."""
    try:
        return (None if entry is None else Status.read(entry.key, entry.value)), ""
    except BadDocument as error:
        return None, str(error)

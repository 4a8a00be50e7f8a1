"""Publish a release: first its program, in pieces that nobody overwrites, then the release and the head in one
transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from svcc.etcd.client import Client
from svcc.etcd.errors import Uncertain
from svcc.etcd.values import Compare, Entry, Get, Put, absent, as_read, created_at
from svcc.fleet.documents import Release, head_text
from svcc.fleet.errors import BadDocument, FleetError
from svcc.fleet.keys import Keys
from svcc.fleet.reading import NoRelease, Snapshot, head_of, release_of, snapshot
from svcc.fleet.release import ReleaseDraft

Sign: TypeAlias = Callable[[Release], Release]

#: How often a program is uploaded where others delete it as an old one meanwhile.
_TRIES = 5


class Overtaken(FleetError):
    """Somebody else published meanwhile. ``release``: theirs."""

    def __init__(self, release: Release) -> None:
        by = f" by {release.who}" if release.who else ""
        super().__init__(
            f"release {release.number} was published{by} meanwhile: see what it changes (`svcc fleet diff`), "
            "and publish again"
        )
        self.release = release


async def publish(
    etcd: Client, keys: Keys, draft: ReleaseDraft, who: str, message: str, when: str, sign: Sign | None = None
) -> tuple[Release, bool]:
    """Publish a draft as the next release. Return the release, and whether it is new: it is not where the newest
    release is the same.

    Its number is above that of every release that a node has: an etcd that was restored from a backup may know fewer.
    ``sign``: returns a release with its signature; None where it gets none. ``when``: shown to people. Errors:
    Overtaken where somebody else published first; BadSignature; BadDocument; EtcdError.
    """
    number, head = await head_of(etcd, keys)
    if number:
        newest_release = await release_of(etcd, keys, number)
        again = draft.numbered(keys.fleet, number, newest_release.who, newest_release.message, newest_release.when)
        if newest_release.signed("") == again and bool(newest_release.signature) == (sign is not None):
            return newest_release, False
    newest = max(number, _newest_of_nodes(await snapshot(etcd, keys)))
    release = draft.numbered(keys.fleet, newest + 1, who, message, when)
    release = release if sign is None else sign(release)
    for _ in range(_TRIES):
        if await _move(etcd, keys, head, release, await _upload(etcd, keys, draft)):
            return release, True
    raise FleetError(
        f"the program of release {release.number} was deleted again and again meanwhile: publish once more"
    )


def _newest_of_nodes(seen: Snapshot) -> int:
    """Return the largest number of a release that a node has or shall have; 0 where there is none."""
    nodes = seen.nodes.values()
    serves = (one.status.serves for one in nodes if one.status is not None)
    return max([*serves, *(one.want.release for one in nodes if one.want is not None)], default=0)


async def _upload(etcd: Client, keys: Keys, draft: ReleaseDraft) -> Compare:
    """Upload the pieces that are not there yet. Return a condition that holds as long as all pieces stay: they are only
    deleted together.

    Errors: BadDocument where a key holds something else.
    """
    made: Compare | None = None
    for number, piece in enumerate(draft.blob.pieces):
        key = keys.blob(draft.blob.hash, number)
        done = await etcd.transact([absent(key)], [Put(key, piece)], [Get(key)])
        if not done.succeeded and [entry.value for entry in done.found[0]] != [piece]:
            raise BadDocument(f"{key} does not match the hash in its name: delete it, and publish again")
        made = made or created_at(key, done.revision if done.succeeded else done.found[0][0].create_revision)
    assert made is not None, "a program has a piece"
    return made


async def _move(etcd: Client, keys: Keys, head: Entry | None, release: Release, stays: Compare) -> bool:
    """Write the release and move the head to it, if nobody moved it since. Return False where the program was deleted
    meanwhile.

    ``stays``: the condition that holds as long as the program is there.
    """
    key = keys.release(release.number)
    writes = [Put(key, release.text.encode()), Put(keys.head, head_text(release.number).encode())]
    try:
        done = await etcd.transact([as_read(keys.head, head), absent(key), stays], writes, [Get(keys.head), Get(key)])
        if done.succeeded:
            return True
        if done.found == ((() if head is None else (head,)), ()):
            return False
    except Uncertain:
        pass  # whether it was written is read below
    try:
        published = await release_of(etcd, keys, release.number)
    except NoRelease:
        number, _ = await head_of(etcd, keys)
        if number <= release.number:
            raise FleetError(
                f"etcd did not answer in time, and has no release {release.number} yet: see `svcc fleet history`"
            ) from None
        published = await release_of(etcd, keys, number)
    if published != release:
        raise Overtaken(published)
    return True

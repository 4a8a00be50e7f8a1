"""Old releases are taken out of etcd, with the programs that none of the others names; and nodes that left.

A release that a node shall have, or may go back to, is never taken out. Others who publish or begin a rollout
meanwhile are safe: all is taken out on the condition that neither the head nor the rollout moved since both were read.
Who publishes moves the head only if the program is still there (:mod:`svcc.fleet.publishing`), and who begins a rollout
does so only if its release is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from svcc.etcd.client import Client
from svcc.etcd.values import Compare, Delete, absent, as_read
from svcc.fleet.errors import FleetError
from svcc.fleet.keys import Keys, is_hash
from svcc.fleet.reading import Snapshot, head_of, releases_of, snapshot

#: Releases that stay, of the newest ones.
KEPT = 100
#: Keys that are deleted at once; etcd takes 128.
_AT_ONCE = 100


async def forget(etcd: Client, keys: Keys, kept: int = KEPT) -> int:
    """Take out all releases but the newest ones and those in use; how many went. Where somebody publishes or rolls out
    meanwhile, less is taken out, and the next one who publishes goes on with it.

    Errors: BadDocument: what etcd has cannot be read, and nothing is taken out; EtcdError.
    """
    _, head = await head_of(etcd, keys)
    seen = await snapshot(etcd, keys)
    same = [as_read(keys.head, head), as_read(keys.rollout, seen.entries.get(keys.rollout))]
    releases = await releases_of(etcd, keys)
    used = {*_used(seen), *(release.number for release in releases[:kept])}
    old = [release for release in releases if release.number not in used]
    programs = {release.program for release in releases if release.number in used}
    if not await _delete(etcd, same, [Delete(keys.release(release.number)) for release in old]):
        return 0
    parts = (name.removeprefix(keys.blobs).partition("/")[0] for name in await etcd.names(keys.blobs))
    unnamed = sorted({part for part in parts if is_hash(part)} - programs)
    await _delete(etcd, same, [Delete(keys.pieces(hash), prefix=True) for hash in unnamed])
    return len(old)


async def forget_nodes(etcd: Client, keys: Keys, nodes: Iterable[str]) -> list[str]:
    """Take out what nodes that left were to do, and what they said last; returns their names.

    Errors: FleetError: there is no such node, its agent lives, or a rollout that has not ended has it: nothing is taken
    out then; EtcdError.
    """
    seen = await snapshot(etcd, keys)
    rollout = seen.rollout if seen.rollout is not None and not seen.rollout.phase.ended else None
    named = sorted({*nodes})
    for node in named:
        if node not in seen.nodes:
            raise FleetError(f"fleet {keys.fleet} knows no node {node}")
        if seen.nodes[node].alive:
            raise FleetError(f"the agent of {node} lives: end it first, and wait until `svcc fleet status` says so")
        if rollout is not None and any(node in stage for stage in rollout.stages):
            raise FleetError(f"{node} is in the rollout of release {rollout.release}, which has not ended")
    same = as_read(keys.rollout, seen.entries.get(keys.rollout))
    for node in named:
        keep = [same, absent(keys.alive(node)), as_read(keys.want(node), seen.entries.get(keys.want(node)))]
        if not (await etcd.transact(keep, [Delete(keys.want(node)), Delete(keys.status(node))])).succeeded:
            raise FleetError(f"{node} changed meanwhile: look at it (`svcc fleet status`), and try again")
    return named


def _used(seen: Snapshot) -> Iterable[int]:
    """The releases that nodes shall have, serve, or go back to."""
    for node in seen.nodes.values():
        if node.want is not None:
            yield node.want.release
        if node.status is not None:
            yield node.status.serves
    if seen.rollout is not None:
        yield seen.rollout.release
        yield from (one.before for one in seen.rollout.moved.values())


async def _delete(etcd: Client, same: Sequence[Compare], deletions: Sequence[Delete]) -> bool:
    """Delete as long as all is the same; whether it was to the end."""
    for start in range(0, len(deletions), _AT_ONCE):
        if not (await etcd.transact(same, deletions[start : start + _AT_ONCE])).succeeded:
            return False
    return True

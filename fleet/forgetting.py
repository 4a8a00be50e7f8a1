"""Delete old releases from etcd, and the programs that no other release names; and nodes that left.

A release that a node shall have, or may go back to, is never deleted. Others may publish or begin a rollout meanwhile:
everything is deleted on the condition that neither the head nor the rollout changed since both were read. A publisher
moves the head only if its program is still there (:mod:`svcc.fleet.publishing`), and a rollout begins only if its
release is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from svcc.etcd.client import Client
from svcc.etcd.values import Compare, Delete, absent, as_read
from svcc.fleet.errors import FleetError
from svcc.fleet.keys import Keys, is_hash
from svcc.fleet.reading import Snapshot, head_of, releases_of, snapshot

#: How many of the newest releases stay.
KEPT = 100
#: How many keys are deleted in one transaction; etcd takes 128 operations.
_AT_ONCE = 100


async def forget(etcd: Client, keys: Keys, kept: int = KEPT) -> int:
    """Delete all releases but the newest ones and those in use. Return how many were deleted.

    Where somebody publishes or begins a rollout meanwhile, fewer are deleted; the next publisher goes on. Errors:
    BadDocument where a document in etcd cannot be read: nothing is deleted then; EtcdError.
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
    """Delete what nodes that left were to do, and what they reported last. Return their names.

    Errors: FleetError where there is no such node, its agent lives, or it is in a rollout that has not ended: nothing
    is deleted then; EtcdError.
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
    """Yield the releases that nodes shall have, serve, or may go back to."""
    for node in seen.nodes.values():
        if node.want is not None:
            yield node.want.release
        if node.status is not None:
            yield node.status.serves
    if seen.rollout is not None:
        yield seen.rollout.release
        yield from (one.before for one in seen.rollout.moved.values())


async def _delete(etcd: Client, same: Sequence[Compare], deletions: Sequence[Delete]) -> bool:
    """Delete keys while the conditions ``same`` hold. Return whether all were deleted."""
    for start in range(0, len(deletions), _AT_ONCE):
        if not (await etcd.transact(same, deletions[start : start + _AT_ONCE])).succeeded:
            return False
    return True

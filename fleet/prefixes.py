"""A node serves under one prefix. A release with another one would leave the rules of the first in its kernel, where no
agent checks or repairs them, and they would serve beside the new ones. So it is refused, before anything changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from svcc.compiler import ir
from svcc.compiler.errors import SvccError
from svcc.etcd.client import Client
from svcc.fleet.errors import FleetError
from svcc.fleet.keys import Keys
from svcc.fleet.reading import program_of, release_of
from svcc.fleet.rollout import Seen


class OtherPrefix(FleetError):
    """A release has another prefix than what a node serves."""

    def __init__(self, node: str, served: str, wanted: str) -> None:
        super().__init__(f"{node} serves under prefix {served}, and the release has prefix {wanted}: {remedy(served)}")


def remedy(served: str) -> str:
    """Say how a node gets another prefix than the one under which it serves."""
    return (
        f"for another prefix a node leaves the fleet and comes back: end its agent, `svcc delete --prefix {served}` "
        "and move fleet.json away there, and `svcc fleet forget` it"
    )


def same_prefix(one: str, other: str) -> bool:
    """Whether two prefixes are of one installation."""
    return one.lower() == other.lower()


async def served_otherwise(
    etcd: Client, keys: Keys, program: ir.Program, nodes: Mapping[str, Seen], asked: Iterable[str]
) -> dict[str, str]:
    """Return the prefix under which a node serves, or shall serve, for each node where the program has another one.

    ``asked``: the nodes that count. What cannot be read is left out: the node itself refuses what does not fit. Errors:
    EtcdError.
    """
    known: dict[int, str | None] = {}
    found: dict[str, str] = {}
    for node in asked:
        seen = nodes.get(node, Seen())
        for number in (0 if seen.status is None else seen.status.serves, 0 if seen.want is None else seen.want.release):
            if number and number not in known:
                known[number] = await _prefix_of(etcd, keys, number)
            prefix = known.get(number)
            if prefix is not None and not same_prefix(prefix, program.cluster.prefix):
                found.setdefault(node, prefix)
    return found


async def _prefix_of(etcd: Client, keys: Keys, number: int) -> str | None:
    try:
        return (await program_of(etcd, keys, await release_of(etcd, keys, number))).cluster.prefix
    except SvccError:
        return None

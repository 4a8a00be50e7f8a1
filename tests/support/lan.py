"""A node and another machine on one link, which is called ``lan`` on both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from support.apply_states import run
from support.apply_world import World
from svcc.kernel.namespaces import Namespace


@contextmanager
def on_lan(folder: Path, variant: str) -> Iterator[tuple[World, Namespace]]:
    """Yield the node, .1 in 198.51.100.0/24 and fd00:51::/64, and the other machine, .2 in both. ``variant``: see
    :class:`World`."""
    node, client = Namespace("node"), Namespace("client")
    with closing(node), closing(client):
        with node.entered():
            connect(client.path)
        with client.entered():
            run("ip link set lan up")
            run("ip address add 198.51.100.2/24 dev lan")
            run("ip address add fd00:51::2/64 dev lan nodad")
        yield World(node, folder / "state", variant, ipvs=True, nft=variant == "nft"), client


def connect(to: str) -> None:
    """Give the calling thread's namespace its end of the link to another namespace."""
    run(f"ip link add lan type veth peer name lan netns {to}")
    run("ip link set lan up")
    run("ip address add 198.51.100.1/24 dev lan")
    run("ip address add fd00:51::1/64 dev lan nodad")

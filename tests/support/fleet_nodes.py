"""Nodes of a fleet without agents: they report what a test has them report."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager

from svcc.etcd.client import Client
from svcc.etcd.errors import Unreachable
from svcc.etcd.values import Listing
from svcc.fleet.documents import NodeState, Status, Want
from svcc.fleet.keys import Keys, last_part


class Nodes:
    """Nodes that do what they shall, except where a test has them do something else."""

    def __init__(self, client: Client, keys: Keys, names: Sequence[str]) -> None:
        self._client, self._keys, self._names = client, keys, names
        self.states: dict[tuple[str, int], NodeState] = {}  # by node and release
        self._serves: dict[str, int] = {}  # by node, the release that it took last
        self._saying = asyncio.Lock()

    async def obey(self) -> None:
        """Follow what etcd wants of the nodes, without end."""
        for node in self._names:
            await self._client.put(self._keys.alive(node), b"")
        async with aclosing(self._client.follow(self._keys.wants)) as told:
            async for news in told:
                told_now = news.entries if isinstance(news, Listing) else filter(None, (c.entry for c in news.changes))
                for entry in told_now:
                    if (told_node := last_part(self._keys.wants, entry.key)) is not None:
                        await self.say(told_node, Want.read(entry.key, entry.value))

    async def say(self, node: str, want: Want) -> None:
        """Report a node's state for a want. A later report is also written later, however long etcd is down
        meanwhile."""
        async with self._saying:
            state = self.states.get((node, want.release), NodeState.APPLIED)
            if want.release and state is NodeState.APPLIED:
                self._serves[node] = want.release
            words = "" if state is NodeState.APPLIED else "no such device"
            said = Status(want, state, self._serves.get(node, 0), followed=want.epoch, words=words)
            while True:
                try:
                    await self._client.put(self._keys.status(node), said.text.encode())
                    return
                except Unreachable:
                    await asyncio.sleep(0.1)


@contextmanager
def answering(
    members: Sequence[str], keys: Keys, names: Sequence[str], states: Mapping[tuple[str, int], NodeState]
) -> Iterator[None]:
    """Inside the ``with`` block, run nodes in a thread of their own."""
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    async def answer() -> None:
        async with Client(members) as client:
            nodes = Nodes(client, keys, names)
            nodes.states |= states
            task = asyncio.create_task(nodes.obey())
            await ended.wait()
            task.cancel()
            await asyncio.wait({task})

    thread = threading.Thread(target=loop.run_until_complete, args=(answer(),))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()

"""What uses etcd ends when it is cancelled, also in the moment in which an error ends it already."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import cast

import pytest

from svcc.etcd import following, leases
from svcc.etcd.errors import Unreachable
from svcc.etcd.members import Members
from svcc.etcd.watching import _Reader
from svcc.etcd.wire import Message


class _Slow:
    """Members of etcd that grant a lease, and take some turns of the loop to give up a request."""

    timeout = 1.0

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.giving_up = asyncio.Event()

    async def ask(self, _path: str, _request: object) -> Message:
        return Message("http://here", {"ID": "7", "TTL": "3"})

    async def wait(self, *_: object) -> dict[str, str]:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.giving_up.set()
            for _turn in range(5):
                await asyncio.sleep(0)
        raise AssertionError


async def _in_a_lease(slow: _Slow) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leases.Held, "keep", slow.wait)
        async with leases.hold(cast(Members, slow), 3):
            await slow.asked.wait()
            raise Unreachable("is gone", member="http://here")


async def _following(slow: _Slow) -> None:
    task = asyncio.get_running_loop().create_task(slow.wait())
    await slow.asked.wait()
    await following._end(task)  # type: ignore[arg-type]
    raise Unreachable("is gone", member="http://here")


async def _reading(slow: _Slow) -> None:
    async def messages() -> AsyncGenerator[Message, None]:
        await slow.wait()
        yield Message("http://here", {})

    reader = _Reader(cast(Members, slow), "http://here", "/svcc/", messages(), 0.0)
    await reader._came()
    await slow.asked.wait()
    await reader.close()
    raise Unreachable("is gone", member="http://here")


@pytest.mark.parametrize("work", [_in_a_lease, _following, _reading])
def test_a_cancelled_task_ends(work: Callable[[_Slow], Awaitable[None]]) -> None:
    async def run() -> None:
        slow = _Slow()
        task = asyncio.ensure_future(work(slow))
        giving_up = asyncio.ensure_future(slow.giving_up.wait())
        await asyncio.wait({task, giving_up}, return_when=asyncio.FIRST_COMPLETED)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())

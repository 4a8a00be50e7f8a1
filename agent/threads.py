"""Work that waits for disks, tools or the kernel, done beside the agent's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


async def in_thread(work: Callable[[], _Result]) -> _Result:
    """Do work in a thread of its own; it is never left half done, also where whoever waits for it is cancelled."""
    return await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(work)))

"""Work that waits for disks, tools or the kernel, done in threads beside the agent's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


async def in_thread(work: Callable[[], _Result]) -> _Result:
    """Do work in a thread, and return its result. It is always done to its end, even where the caller is cancelled."""
    return await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(work)))

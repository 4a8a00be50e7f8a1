"""The agent's side of its guard (:mod:`svcc.fleet.guard`): it starts the guard, gives it orders, and reads its
reports."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from svcc.agent.log import Log
from svcc.fleet.guard import Orders

#: Seconds until a guard that ended is started again, and within which a guard has to end.
_AGAIN, _PATIENCE = 2.0, 10.0
#: Seconds for which a claim counts. A machine that has an address repeats its claim more often, as each is answered.
_SILENCE = 10.0


class Guarding:
    """The guard of an agent. ``lost`` is called with an address that the machine gave up, since another one has it."""

    def __init__(self, root: Path, log: Log, lost: Callable[[str], None]) -> None:
        self._file, self._log, self._lost = root / "guard.pid", log, lost
        self._process: Process | None = None
        self._ended = asyncio.Event()
        self._orders = Orders()
        self._claims: dict[str, tuple[str, float]] = {}  # by address held here, who else claimed it last, and when

    @property
    def disputed(self) -> str:
        """Which addresses another machine claims although this one holds them; "" where there are none."""
        now = asyncio.get_running_loop().time()
        claims = ((one, hardware) for one, (hardware, heard) in sorted(self._claims.items()) if now - heard < _SILENCE)
        return "; ".join(f"{hardware}, which does not hold {one} in this fleet, claims it" for one, hardware in claims)

    async def run(self) -> None:
        """Keep a guard running until it is ordered to end. Where this is cancelled, the guard goes on with its last
        orders."""
        while True:
            words = [sys.executable, "-P", "-m", "svcc.fleet.guard", str(self._file.absolute()), "--detached"]
            try:
                process = await asyncio.create_subprocess_exec(
                    *words, stdin=PIPE, stdout=PIPE, cwd="/", start_new_session=True
                )
            except OSError as error:
                self._log.error("announced addresses cannot be guarded", reason=str(error))
            else:
                self._process = process
                self._ended.clear()
                self._write(self._orders)
                await self._hear(process)
                self._process = None
                self._ended.set()
                if self._orders.end:
                    return
                self._log.error("the guard of announced addresses ended, and is started again")
            await asyncio.sleep(_AGAIN)

    async def _hear(self, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            said: dict[str, str] = json.loads(line)
            if "silenced" in said:
                self._log.warning("another machine holds this address", address=said["silenced"], hardware=said["for"])
                self._lost(said["silenced"])
            else:
                self._claims[said["defended"]] = said["against"], asyncio.get_running_loop().time()
                words = "another machine claims this address"
                self._log.warning(words, address=said["defended"], hardware=said["against"])

    def tell(self, orders: Orders) -> None:
        """Order what to guard from now on."""
        if orders != self._orders:
            self._orders = orders
            self._write(orders)

    def _write(self, orders: Orders) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):  # the guard is ending: the next one gets these orders
                self._process.stdin.write(orders.line)

    async def cease(self) -> None:
        """Stop the machine from answering for any address; return when that is done."""
        if self._process is None or not self._orders.addresses:
            return
        was = self._orders
        self.tell(Orders(was.device, was.addresses, was.until, was.keep, end=True))
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._ended.wait()

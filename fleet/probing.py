"""Ask the network whether an address that nobody in the fleet has held is another machine's: then it is not taken."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Container, Mapping
from ipaddress import ip_address

from svcc.agent.log import Log
from svcc.kernel.link.links import Link
from svcc.kernel.link.probing import probe
from svcc.kernel.steps import StepError

#: Seconds from one question to the next, and seconds without an answer after which an address is free: longer than
#: others take to move it.
_AGAIN, _SILENCE = 2.0, 10.0


class Probing:
    """What the network answered about addresses."""

    def __init__(self, log: Log, again: float = _AGAIN, silence: float = _SILENCE) -> None:
        self._log, self._again, self._silence = log, again, silence
        self._asked: dict[str, float] = {}  # by address, when the network was asked last
        self._others: dict[str, tuple[str, float]] = {}  # by address, who answered, and when
        self._first: dict[str, float] = {}  # by address, since when another machine asks for it, too, and goes first

    @property
    def refused(self) -> str:
        """Which addresses are not taken, and why; "" where there are none."""
        return "; ".join(f"{one} is not taken: {_why(hardware)}" for one, (hardware, _) in sorted(self._others.items()))

    def forget(self, wanted: Collection[str]) -> None:
        """Forget all addresses except these, which nobody holds."""
        for known in (self._asked, self._others, self._first):
            for one in known.keys() - {*wanted}:
                del known[one]

    async def free(self, addresses: Collection[str], links: Collection[Link], held: Container[str] = ()) -> set[str]:
        """Return those addresses for which nobody answers, and no other machine goes first. It may take a second.

        ``held``: addresses that a machine of the fleet has taken meanwhile. A machine that only asks, and never takes
        the address, is waited for no longer than one that answered.
        """
        now = asyncio.get_running_loop().time()
        due = [one for one in addresses if now - self._asked.get(one, -self._again) >= self._again]
        if due:
            try:
                found = await asyncio.to_thread(probe, [ip_address(one) for one in due], links)
            except StepError as error:
                self._log.warning("the network cannot be asked who has addresses", reason=str(error))
                return set()
            now = asyncio.get_running_loop().time()
            self._asked.update(dict.fromkeys(due, now))
            for address, hardware in found.answered.items():
                if str(address) not in held:
                    self._hear(str(address), hardware, now)
            asked = {str(address): hardware for address, hardware in found.asked.items()}
            self._wait({one: asked.get(one) for one in due if one not in held}, now)
        for one, (_, heard) in [*self._others.items()]:
            if one in due and now - heard > self._silence:
                del self._others[one]
        waits = {one for one, since in self._first.items() if now - since <= self._silence}
        return {one for one in due if one not in self._others and one not in waits and one not in held}

    def _wait(self, asked: Mapping[str, str | None], now: float) -> None:
        """Note which addresses other machines ask for, too. ``asked``: who asks, by address; None where nobody does."""
        for address, hardware in asked.items():
            if hardware is None:
                self._first.pop(address, None)
            elif address not in self._first:
                self._first[address] = now
                self._log.info("another machine asks for an address as well", address=address, hardware=hardware)

    def _hear(self, address: str, hardware: str, now: float) -> None:
        if self._others.get(address, ("", 0))[0] != hardware:
            self._log.error("an address is not taken", address=address, reason=_why(hardware))
        self._others[address] = hardware, now


def _why(hardware: str) -> str:
    return f"{hardware}, which does not hold it in this fleet, answers for it"

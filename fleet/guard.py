"""A process beside an agent that stops the machine from answering for an address as soon as another machine has it.

It is a process of its own, so that it goes on when the agent is killed. Else the kernel would answer for ever, and so
two machines would. Time decides whether the other machine is right. While etcd certainly keeps this machine's lease,
the guard defends the address (RFC 5227, section 2.4). After that, or where the agent is dead, the other machine was
elected.

It reads :class:`Orders` as lines of JSON, and writes a line for each address that it defends or gives up.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path

from svcc.kernel.link.announcing import announce
from svcc.kernel.link.hearing import Claim, Listener
from svcc.kernel.link.reading import links
from svcc.kernel.link.silencing import silence
from svcc.kernel.steps import StepError

#: Seconds between two checks of whether another guard took over, and between two defences of an address.
_GLANCE, _DEFEND = 1.0, 1.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What an agent orders its guard to do.

    ``addresses``: those for which the machine answers, on ``device``; ``until``: when, by CLOCK_MONOTONIC, others may
    have them at the earliest; ``keep``: the addresses stay on the device, as the machine needs them, but it does not
    answer for them; ``end``: stop answering for all now.
    """

    device: str = ""
    addresses: tuple[str, ...] = ()
    until: float = 0.0
    keep: bool = False
    end: bool = False

    @property
    def line(self) -> bytes:
        """The orders as the guard reads them: one line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Orders:
        """Read orders from a line. Errors: ValueError, TypeError where :attr:`line` did not make it."""
        found = cls(**json.loads(line))
        return cls(found.device, tuple(found.addresses), found.until, found.keep, found.end)


class Guard:
    """The guard of a machine's addresses. ``file`` holds the process id of the newest guard; an older one ends."""

    def __init__(self, file: Path) -> None:
        """Begin to listen. Errors: OSError."""
        self._file, self._own = file, str(os.getpid())
        self._orders = Orders()
        self._listener = Listener()
        self._rest = b""
        self._orphan = False
        self._answered: dict[str, float] = {}
        file.write_text(self._own)

    def run(self) -> None:
        """Run until the agent ends the guard; or until the agent died and there is nothing left to guard."""
        while not self._orders.end and (not self._orphan or self._is_needed()):
            given = [self._listener.arp, self._listener.nd, *([] if self._orphan else [sys.stdin])]
            select.select(given, [], [], _GLANCE)
            if not self._orphan:
                self._hear_agent()
            for claim in self._listener.heard():
                self._hear(claim)
        if self._orders.end:
            self._silence(self._orders.addresses)

    def _is_needed(self) -> bool:
        try:
            return bool(self._orders.addresses) and self._file.read_text() == self._own
        except OSError:
            return False

    def _hear_agent(self) -> None:
        while select.select([sys.stdin], [], [], 0)[0]:
            data = os.read(sys.stdin.fileno(), 1 << 16)
            self._orphan = not data
            *lines, self._rest = (self._rest + data).split(b"\n")
            if lines:
                self._orders = Orders.parse(lines[-1])
            if self._orphan or self._orders.end:
                return

    def _hear(self, claim: Claim) -> None:
        address = str(claim.address)
        if address not in self._orders.addresses or claim.hardware in {link.hardware for link in links()}:
            return
        now = time.monotonic()
        if not self._orphan and now < self._orders.until:
            if now - self._answered.get(address, -_DEFEND) >= _DEFEND:
                self._answered[address] = now
                announce([claim.address], links())
                self._say({"defended": address, "against": claim.hardware})
            return
        self._silence([address])
        self._say({"silenced": address, "for": claim.hardware})

    def _silence(self, addresses: tuple[str, ...] | list[str]) -> None:
        silence(self._orders.device, map(ip_address, addresses), keep=self._orders.keep)
        left = tuple(one for one in self._orders.addresses if one not in addresses)
        self._orders = Orders(self._orders.device, left, self._orders.until, self._orders.keep, self._orders.end)

    def _say(self, what: dict[str, str]) -> None:
        with suppress(OSError):  # the agent is dead
            os.write(sys.stdout.fileno(), json.dumps(what).encode() + b"\n")


def main(file: str, detached: bool = False) -> int:
    """Run the guard as a process; return its exit status. ``detached``: not as a child of the agent, which may end its
    children."""
    if detached and os.fork():
        return 0
    try:
        Guard(Path(file)).run()
    except (OSError, StepError, ValueError, TypeError) as error:
        print(f"svcc: error: announced addresses cannot be guarded: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:] == ["--detached"]))

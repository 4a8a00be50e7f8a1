"""A cluster's services without the addresses that this machine itself holds.

Nobody can correct a cluster's objects for one machine: kube-proxy in mode ipvs leaves all service addresses on a
device, and NodeLocal DNSCache has the address of the cluster's DNS on one. svcc must not take an address that the
machine holds; the others are served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from svcc.agent.log import Log
from svcc.apply.own_addresses import held_addresses
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.compiler.differing import differing_services, with_services
from svcc.kernel import tools
from svcc.kernel.steps import StepError

#: Seconds between two readings of the machine's addresses.
_LOOK = 10.0

#: The machine's addresses where they could not be read.
_NOTHING: Mapping[ir.Address, str] = {}

Look = Callable[[], Mapping[ir.Address, str]]


@dataclass(frozen=True, slots=True)
class _Left:
    """The addresses of a service that the machine holds, and what is left of the service; None where nothing is."""

    own: Collection[ir.Address]
    service: ir.Service | None


class OwnAddresses:
    """The addresses that a machine holds beside those that svcc put there, as they were read last."""

    def __init__(self, prefix: str, log: Log, look: Look | None = None, clock: Callable[[], float] = time.monotonic):
        self._log, self._clock = log, clock
        self._look = look or (lambda: dict(held_addresses(Scope(prefix))) if tools.find("ip") else {})
        self._held: Mapping[ir.Address, str] | None = None  # the device of each address; None before the first reading
        self._looked = 0.0
        self._left: dict[str, _Left] = {}  # services without some of their addresses, by name
        self._last: tuple[ir.Program, Mapping[ir.Address, str], ir.Program] | None = None

    def moved(self) -> bool:
        """Whether :meth:`without` might give another program than before. Addresses are read every ten seconds at
        most."""
        if self._held is None or self._clock() - self._looked < _LOOK:
            return False
        before = self._held
        self._read()
        return self._held != before

    def without(self, program: ir.Program) -> ir.Program:
        """Return the program without the addresses that the machine holds, unless they are shared.

        Where nothing changed, it is the same object as before. An address that is left out is logged once.
        """
        if self._held is None:
            self._read()
        held = self._held if self._held is not None else _NOTHING
        last = self._last
        if last is None or last[0] is not program or last[1] is not held:
            self._leave_out(last[0] if last is not None and last[1] is held else None, program, held)
            made = with_services(program, {name: one.service for name, one in self._left.items()})
            self._last = last = program, held, made
        return last[2]

    def _read(self) -> None:
        self._looked = self._clock()
        try:
            found = self._look()
        except (StepError, OSError) as error:
            self._log.error("the machine's addresses cannot be read", reason=str(error))
            return
        if found != self._held:
            self._held = found

    def _leave_out(self, before: ir.Program | None, program: ir.Program, held: Mapping[ir.Address, str]) -> None:
        """Find out which addresses the program's services lack, and log what is new of that.

        ``before``: the last program, whose services that did not change lack the same; None where the machine's
        addresses changed.
        """
        known = self._left
        left = {} if before is None else dict(known)
        for name, service in differing_services(before, program).items():
            left.pop(name, None)
            if service is None:
                continue
            if own := [one for one in service.addresses if one in held and one not in service.shared]:
                left[name] = _Left(own, _without(service, own))
        for name in sorted(known.keys() | left.keys()):
            was, now = (set(some[name].own) if name in some else set() for some in (known, left))
            for address in sorted(now - was, key=str):
                words, device = str(address), held[address]
                self._log.warning(
                    "an address is not served: it is the machine's own", service=name, address=words, device=device
                )
            for address in sorted(was - now, key=str):
                self._log.info("an address is no longer the machine's own", service=name, address=str(address))
        self._left = left


def _without(service: ir.Service, own: Collection[ir.Address]) -> ir.Service | None:
    """Return the service without these addresses; None where nothing of it is left."""
    left = replace(
        service,
        vips=tuple(one for one in service.vips if one not in own),
        external_ips=tuple(one for one in service.external_ips if one not in own),
    )
    return left if left.addresses or any(port.nodeport for port in left.ports) else None

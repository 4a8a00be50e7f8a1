"""Services of a cluster without the addresses that are this machine's own.

A cluster's file is nobody's to correct: kube-proxy's mode ipvs leaves all addresses on a device, and NodeLocal DNSCache
has that of the cluster's DNS on one. An address that a machine holds is not svcc's to take; the others are served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from svcc.agent.log import Log
from svcc.apply.own_addresses import held_addresses
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel import tools
from svcc.kernel.steps import StepError

#: Seconds between looks at the machine's devices.
_LOOK = 10.0

Look = Callable[[], Mapping[ir.Address, str]]


class OwnAddresses:
    """What a machine holds beside what svcc put there, as it was when it was looked at last."""

    def __init__(self, prefix: str, log: Log, look: Look | None = None, clock: Callable[[], float] = time.monotonic):
        self._log, self._clock = log, clock
        self._look = look or (lambda: dict(held_addresses(Scope(prefix))) if tools.find("ip") else {})
        self._held: Mapping[ir.Address, str] | None = None  # the device of each; None: nobody looked yet
        self._looked = 0.0
        self._told: Mapping[tuple[str, ir.Address], str] = {}
        self._made: tuple[ir.Program, Mapping[ir.Address, str], ir.Program] | None = None

    def moved(self) -> bool:
        """Whether :meth:`without` might give another program than before; it looks every ten seconds."""
        if self._held is None or self._clock() - self._looked < _LOOK:
            return False
        before = self._held
        self._read()
        return self._held != before

    def without(self, program: ir.Program) -> ir.Program:
        """The program without the addresses that are the machine's own, unless they are shared; the same object as
        before where nothing changed. Who is left out is told once.
        """
        if self._held is None:
            self._read()
        held = self._held or {}
        if self._made is None or self._made[0] is not program or self._made[1] is not held:
            self._made = program, held, self._left(program, held)
        return self._made[2]

    def _read(self) -> None:
        self._looked = self._clock()
        try:
            found = self._look()
        except (StepError, OSError) as error:
            self._log.error("the machine's addresses cannot be read", reason=str(error))
            return
        if found != self._held:
            self._held = found

    def _left(self, program: ir.Program, held: Mapping[ir.Address, str]) -> ir.Program:
        own = {
            (service.name, address): held[address]
            for service in program.services
            for address in service.addresses
            if address in held and address not in service.shared
        }
        for (name, address), device in own.items():
            if (name, address) not in self._told:
                self._log.warning("an address is not served: it is the machine's own", service=name,
                                  address=str(address), device=device)  # fmt: skip
        for name, address in self._told.keys() - own.keys():
            self._log.info("an address is the machine's own no more", service=name, address=str(address))
        self._told = own
        if not own:
            return program
        names = {name for name, _ in own}
        services = (_without(one, own) if one.name in names else one for one in program.services)
        return replace(program, services=tuple(one for one in services if one is not None))


def _without(service: ir.Service, own: Mapping[tuple[str, ir.Address], str]) -> ir.Service | None:
    """None: nothing of the service is left."""
    left = replace(
        service,
        vips=tuple(one for one in service.vips if (service.name, one) not in own),
        external_ips=tuple(one for one in service.external_ips if (service.name, one) not in own),
    )
    return left if left.addresses or any(port.nodeport for port in left.ports) else None

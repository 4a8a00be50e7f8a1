"""Replace services of a program, in time for what changes: the new ones alone are checked, against the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.diagnostic import has_errors
from svcc.compiler.errors import InputError
from svcc.compiler.made_programs import check_services
from svcc.compiler.neighbours import Neighbours


class CheckedServices:
    """The services of one program, by what they may clash over with others. It is made when it is first needed, and
    follows that program from change to change."""

    def __init__(self) -> None:
        self._program: ir.Program | None = None
        self._neighbours: Neighbours | None = None  # of that program

    def replaced(self, program: ir.Program, services: Mapping[str, ir.Service | None]) -> ir.Program:
        """Return a program with services replaced by these, by their names; None removes one.

        Errors: InputError where a new service is wrong, or clashes with another one; ValueError where a service has
        another name than its key, or a value of a wrong type, or where there is no service of that name to remove.
        """
        check_services(program, [one for one in services.values() if one is not None])
        changed = _replaced(program, services)
        if self._neighbours is None or self._program is not program:
            self._program, self._neighbours = program, Neighbours(program)
        findings = list(check(self._neighbours.around(changed, services)))
        if has_errors(findings):
            raise InputError(findings)
        return changed

    def go_on(self, changed: ir.Program, services: Mapping[str, ir.Service | None]) -> None:
        """Go on from ``changed``, which :meth:`replaced` returned for these services, and which was applied."""
        assert self._program is not None
        assert self._neighbours is not None
        before = [service for service in self._program.services if service.name in services]
        self._neighbours.update(before, (service for service in services.values() if service is not None))
        self._program = changed


def _replaced(program: ir.Program, services: Mapping[str, ir.Service | None]) -> ir.Program:
    """Do what :meth:`CheckedServices.replaced` does, without checks of the services. Errors: ValueError."""
    for name, service in services.items():
        if service is not None and service.name != name:
            raise ValueError(f"the service for {name} is called {service.name}")
    known = {service.name for service in program.services}
    if unknown := [name for name, service in services.items() if service is None and name not in known]:
        raise ValueError(f"there is no service {', '.join(unknown)} to remove")
    staying = [services.get(service.name, service) for service in program.services]
    new = [service for name, service in services.items() if name not in known]
    found = [service for service in (*staying, *new) if service is not None]
    return replace(program, services=tuple(sorted(found, key=lambda service: service.name)))

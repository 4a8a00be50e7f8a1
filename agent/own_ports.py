"""Warnings of declared ports on which the machine itself listens, before a program takes them. An apply gives the
same."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from svcc.agent.log import Log
from svcc.apply.own_addresses import own_ports
from svcc.apply.scope import scope_of_program
from svcc.apply.summary import summary
from svcc.compiler import ir
from svcc.compiler.differing import differing_services
from svcc.kernel.steps import StepError
from svcc.targets.capability import pick_node


class OwnPorts:
    """The warnings of one agent. ``node``: the name of the machine, where programs declare several."""

    def __init__(self, log: Log, node: str | None) -> None:
        self._log, self._name = log, node
        self._seen: ir.Program | None = None

    def tell(self, program: ir.Program) -> None:
        """Warn of the services that clients reach at other addresses or ports than in the last program."""
        before, self._seen = self._seen, program
        if before is not None and (before.cluster, before.nodes) != (program.cluster, program.nodes):
            before = None
        services = _moved(before, program)
        if not services:
            return
        node = pick_node(program, self._name, None)
        asked = summary(replace(program, services=services), node if isinstance(node, ir.Node) else None)
        with suppress(OSError, StepError):
            for place, label in own_ports(asked, scope_of_program(program)):
                self._log.warning(
                    "this machine listens there itself, and its clients are led to the service",
                    place=place,
                    service=label,
                )


def _moved(before: ir.Program | None, after: ir.Program) -> tuple[ir.Service, ...]:
    changed = differing_services(before, after)
    old = {} if before is None else {one.name: _places(one) for one in before.services if one.name in changed}
    return tuple(one for name, one in changed.items() if one is not None and _places(one) != old.get(name))


def _places(service: ir.Service) -> tuple[object, ...]:
    return service.vips, service.external_ips, service.shared, service.ports

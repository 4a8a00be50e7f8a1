"""Find service addresses that have become the machine's own since they were applied. Nothing is refused for that while
nothing changes, as that would help nobody: it is told, before the next change is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.apply.own_addresses import OwnAddress, claims, conflicts, held_addresses
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel import tools
from svcc.targets.interface import ServiceNetworks


def taken_addresses(installation: Installation, generation: Generation | None) -> Iterator[OwnAddress]:
    """Yield each address of the machine for which a generation in place could not be applied now.

    Errors: StepError, StoreError; ValueError where the record is damaged.
    """
    if generation is not None and generation.target is not None and tools.find("ip") is not None:
        scope = Scope(generation.prefix, generation.device)
        held = dict(held_addresses(scope))
        yield from conflicts(*_claims(installation, generation, held), scope)


def _claims(
    installation: Installation, generation: Generation, held: Mapping[ir.Address, str]
) -> tuple[Collection[ir.Address], ServiceNetworks]:
    """Return what :func:`claims` returns of a generation's bundle, as far as it is about some addresses. Where the
    program is known, only its services that have these are parsed: there may be thousands."""
    kept = installation.program(generation)
    if kept is None:
        return claims(installation.bundle(generation))
    frontends = installation.summary(generation).frontends
    near = {str(address) for address in held}
    asked = {one.service for one in frontends if one.address in near}
    program = kept.program(without={one.service for one in frontends} - asked)
    shared = {address for service in program.services for address in service.shared}
    wanted = {address for service in program.services for address in service.addresses} - shared
    return wanted, ServiceNetworks(frozenset(program.cluster.services), frozenset(shared))

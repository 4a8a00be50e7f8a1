"""What FILE comes to while an agent keeps its prefix: that failed endpoints get no new connections is no change."""

from __future__ import annotations

from dataclasses import replace

from svcc.agent import state
from svcc.agent.health import Health, served
from svcc.apply import wanted
from svcc.apply.keeper import is_kept
from svcc.apply.store import Installation
from svcc.apply.wanted import Wanted
from svcc.targets.interface import Target


def as_kept(given: Wanted, target: Target, node: str | None, installation: Installation) -> Wanted:
    """FILE as the agent serves it, where one keeps the prefix; the store's lock is held. Errors: OSError, StoreError.

    Of endpoints that the agent does not know nothing is said: they count as FILE has them.
    """
    program = given.program
    noted = state.read(installation) if program is not None else {}
    if program is None or not noted or not is_kept(installation):
        return given
    health = Health({key: one.standing for key, one in noted.items()})
    health.follow(program, {endpoint.address for one in program.services for endpoint in one.endpoints}, 0.0)
    now = served(program, health)
    return (
        given if now == program else replace(wanted.from_program(now, target, node, given.name), sources=given.sources)
    )

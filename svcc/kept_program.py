"""What FILE means while an agent keeps its prefix.

The agent takes failed endpoints out, and has endpoints drain that left FILE. A plan must not show that as a change.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from svcc.agent import standings
from svcc.agent.health import Health, all_serving
from svcc.agent.leaving import Leaving
from svcc.apply import wanted
from svcc.apply.driver import balances
from svcc.apply.installation import Installation
from svcc.apply.keeper import is_kept
from svcc.apply.wanted import Wanted
from svcc.compiler import ir
from svcc.targets.interface import Target


def as_kept(given: Wanted, target: Target, node: str | None, installation: Installation) -> Wanted:
    """Return FILE as the agent serves it, where an agent keeps the prefix; else unchanged.

    Endpoints that the agent does not know are served as FILE has them. The store's lock is held. Errors: OSError,
    StoreError.
    """
    program = given.program
    if program is None or not is_kept(installation):
        return given
    now = _draining(_by_health(program, installation), node, installation)
    return (
        given if now == program else replace(wanted.from_program(now, target, node, given.name), sources=given.sources)
    )


def _by_health(program: ir.Program, installation: Installation) -> ir.Program:
    noted = standings.read(installation)
    if not noted:
        return program
    health = Health({key: one.standing for key, one in noted.items()})
    current = installation.current
    asked = None if current is None else installation.program(installation.generation(current.reviewed))
    if asked is not None:
        with suppress(ValueError):  # a record is damaged: only checks that are as they were are known
            health.follow(asked.program(), all_serving(asked.program()), 0.0)
    health.follow(program, all_serving(program), 0.0)
    return health.served_all(program)


def _draining(program: ir.Program, node: str | None, installation: Installation) -> ir.Program:
    """Return the program with the draining endpoints that the generation in place has beyond the reviewed one."""
    current = installation.current
    if current is None or current.of is None or not balances(current.target):
        return program
    served, reviewed = installation.program(current), installation.program(installation.generation(current.reviewed))
    if served is None or reviewed is None:
        return program
    leaving = Leaving(0.0, node)
    try:
        leaving.follow(*served.differing(reviewed), 0.0)
    except ValueError:  # a record is damaged: what drains is not known
        return program
    return leaving.with_leaving(program)

"""Mistakes of people who know other tools, and what to write in svcc's language.

A module for each part of the language has its table, one line for each mistake.
"""

from __future__ import annotations

from itertools import chain

from svcc.compiler.slips import addresses, checks, commands, declarations, endpoints, lets, ports, settings, signs

#: The tables for pieces of statements, in the order in which they are asked.
_PIECES = (
    checks.WHOLE,
    signs.BEFORE_STATEMENTS,
    commands.OPTIONS,
    addresses.SLIPS,
    ports.SLIPS,
    lets.SLIPS,
    declarations.SLIPS,
    settings.SLIPS,
    checks.SLIPS,
    endpoints.SLIPS,
    ports.ANYWHERE,
    signs.AFTER_STATEMENTS,
)


def hint_for_line(statement: str) -> str | None:
    """Return what to say about a statement that is a line of another tool's. Return None for any other."""
    matches = ((slip, slip.pattern.search(statement)) for slip in commands.LINES)
    return next((slip.said_of(match) for slip, match in matches if match is not None), None)


def hint_for_piece(statement: str, at: int) -> str | None:
    """Return what to say about a statement in which the character ``at`` is wrong: the first slip that holds it counts.

    Return None where no table has it.
    """
    for slip in chain(*_PIECES):
        for match in slip.pattern.finditer(statement):
            if match.start() <= at <= match.end() and match.group() and (hint := slip.said_of(match)):
                return hint
    return None

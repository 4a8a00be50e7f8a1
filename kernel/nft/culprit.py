"""Find the command of a transaction that the kernel refuses. nft's errors on JSON have no position, so svcc tries parts
of the transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from svcc.kernel.json_values import Json
from svcc.kernel.nft.tool import check
from svcc.kernel.nft.transaction import Command, Name
from svcc.kernel.steps import StepError


def find_culprit(commands: Sequence[Command]) -> tuple[Name, str] | None:
    """Return the name of the change that is refused first, and its command as JSON; None where a check refuses none.

    The command is found by halving, then the element in it.
    """
    whole = [command.json() for command in commands]
    count = _shortest(len(whole), lambda count: _refused(whole[:count]))
    if count is None:
        return None
    before, command = commands[: count - 1], commands[count - 1]
    if command.kind != "element":
        return command.name, json.dumps(whole[count - 1])
    # Without the elements of other sets, which hardly ever matter, each try is quick.
    bare = [other.json() for other in before if other.kind != "element" or other.name == command.name]
    length = _shortest_elements(command, bare) or _shortest_elements(command, whole[: count - 1])
    if length is None:
        return None
    kind, subject = command.name
    line = json.dumps(command.json(command.elements[length - 1 : length]))
    return (kind, f"{subject} {command.names[length - 1]}"), line


def _shortest_elements(command: Command, before: list[Json]) -> int | None:
    elements = command.elements
    return _shortest(len(elements), lambda length: _refused([*before, command.json(elements[:length])]))


def _refused(commands: list[Json]) -> bool:
    try:
        check(commands)
    except StepError:
        return True
    return False


def _shortest(length: int, refused: Callable[[int], bool]) -> int | None:
    """Return the least count from 1 to ``length`` that is refused; None where none is. Every greater count has to be
    refused as well."""
    if not refused(length):
        return None
    taken = 0  # the greatest count that is known to be taken
    while length - taken > 1:
        middle = (taken + length) // 2
        taken, length = (taken, middle) if refused(middle) else (middle, length)
    return length

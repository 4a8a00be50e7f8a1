"""Finds the services in which two programs differ, and puts services into a program.

Objects that both programs share cost nearly nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter
from typing import TypeAlias

from svcc.compiler import ir

#: Services by name, as they are now. None: the service is gone.
Services: TypeAlias = Mapping[str, ir.Service | None]

_NAME = attrgetter("name")
#: Where more than one service in this many changes, it is quicker to sort all than to put each in its place.
_FEW = 16


def differing_services(before: ir.Program | None, after: ir.Program) -> dict[str, ir.Service | None]:
    """Return the services that are new or changed in ``after``, and (as None) those that are gone, by name.

    ``before`` None: there were no services. Services are compared in full only where they are different objects, so
    that comparing a program with one made from it costs little.
    """
    old, new = _different_objects(() if before is None else before.services, after.services)
    found: dict[str, ir.Service | None] = {name: None for name in old if name not in new}
    for name, one in new.items():
        was = old.get(name)
        if was is not one and was != one:
            found[name] = one
    return found


def _different_objects(
    before: tuple[ir.Service, ...], after: tuple[ir.Service, ...]
) -> tuple[dict[str, ir.Service], dict[str, ir.Service]]:
    """Return the services of each program that are not the same object in the other, by name."""
    if len(before) == len(after):  # most often no service came or went
        pairs = [(was, one) for was, one in zip(before, after, strict=True) if was is not one]
        return {was.name: was for was, _ in pairs}, {one.name: one for _, one in pairs}
    old, new = {*map(id, before)}, {*map(id, after)}
    return (
        {one.name: one for one in before if id(one) not in new},
        {one.name: one for one in after if id(one) not in old},
    )


def with_services(program: ir.Program, services: Services) -> ir.Program:
    """Return the program with these services in place of the ones with the same names.

    Its services are sorted by name, as always.
    """
    if not services:
        return program
    if len(services) * _FEW > len(program.services):
        whole = {**{one.name: one for one in program.services}, **services}
        return replace(program, services=tuple(sorted((one for one in whole.values() if one is not None), key=_NAME)))
    found = list(program.services)
    for name, service in services.items():
        at = bisect_left(found, name, key=_NAME)
        there = at < len(found) and found[at].name == name
        found[at : at + there] = [] if service is None else [service]
    return replace(program, services=tuple(found))

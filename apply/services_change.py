"""The record of a generation as a change: the services in which it differs from another one, which is recorded whole.

The record holds services and no rules. The rules are compiled from the program that the other generation and the change
give together.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from svcc.apply.program_text import KeptProgram, service_line
from svcc.apply.summary import ServedFrontend, Summary, frontend_to_json, summary
from svcc.compiler import ir
from svcc.kernel.json_values import Json, items, members, parsed, string


@dataclass(frozen=True)
class ChangedService:
    """A service in the record of a change: its line of a :class:`KeptProgram`, and its rows of a summary in JSON."""

    line: str
    frontends: tuple[Json, ...]

    @cached_property
    def text(self) -> str:
        """The service in JSON. It is kept, as later changes repeat it until the service changes again."""
        return json.dumps([self.line, self.frontends], separators=(",", ":"))


@dataclass(frozen=True)
class ServicesChange:
    """The services in which a generation differs from the one that is recorded whole."""

    services: Mapping[str, ChangedService | None]  # by name; None: the service is gone

    @cached_property
    def text(self) -> str:
        """The change as it is recorded: one line, a JSON object with a member for each service, null for one that is
        gone."""
        services = sorted(self.services.items())
        rows = (f"{json.dumps(name)}:{'null' if one is None else one.text}" for name, one in services)
        return f"{{{','.join(rows)}}}\n"

    @classmethod
    def from_text(cls, text: str) -> ServicesChange:
        """Return the change that has this text. Errors: ValueError, where the text is no change."""
        try:
            return cls({name: _changed(one) for name, one in members(parsed(text)).items()})
        except (AttributeError, IndexError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"it holds no changed services ({error!r})") from None

    def program(self, whole: KeptProgram) -> KeptProgram:
        """Return the program of the changed generation. ``whole``: the program of the one that is recorded whole.

        Errors: ValueError, where that is damaged.
        """
        return whole.changed({name: None if one is None else one.line for name, one in self.services.items()})

    def summary(self, whole: Summary) -> Summary:
        """Return the summary of the changed generation. ``whole``: the summary of the one that is recorded whole. Each
        service keeps its place in it; new ones come last."""
        own = {name: Summary.from_json(_rows(one)).frontends for name, one in self.services.items() if one is not None}
        return replace(whole, frontends=tuple(_merged(whole.frontends, self.services, own)))


def change_of(services: Iterable[ir.Service], program: ir.Program, node: ir.Node | None) -> dict[str, ChangedService]:
    """Return some services of a program as a change records them, by name."""
    return {
        one.name: ChangedService(
            service_line(one),
            tuple(map(frontend_to_json, summary(replace(program, services=(one,), balancers=()), node).frontends)),
        )
        for one in services
    }


def _changed(data: Json) -> ChangedService | None:
    if data is None:
        return None
    line, frontends = items(data)
    made = ChangedService(string(line), tuple(items(frontends)))
    Summary.from_json(_rows(made))
    return made


def _rows(one: ChangedService) -> Json:
    return {"node_addresses": (), "listeners": one.frontends}


def _merged(
    whole: Iterable[ServedFrontend], changed: Collection[str], own: Mapping[str, tuple[ServedFrontend, ...]]
) -> Iterator[ServedFrontend]:
    left = dict(own)
    for one in whole:
        if one.service not in changed:
            yield one
        else:
            yield from left.pop(one.service, ())
    for some in left.values():
        yield from some

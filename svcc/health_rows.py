"""How endpoints stand, as the agent recorded it last: for tables and JSON."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from svcc.agent import standings
from svcc.agent.standings import Noted
from svcc.apply.installation import Installation


class Health:
    """What the agent recorded of the checks of one installation; false where no endpoint is checked."""

    def __init__(self, noted: Iterable[Noted]) -> None:
        self.noted = sorted(noted, key=lambda one: one.name)
        self._of: dict[tuple[str, str], list[Noted]] = {}
        for one in self.noted:
            for service in one.services:
                self._of.setdefault((service, one.address), []).append(one)

    @classmethod
    def read(cls, installation: Installation) -> Health:
        """Return what an agent recorded last of an installation's endpoints; empty where no agent ever ran."""
        return cls(standings.read(installation).values())

    def __bool__(self) -> bool:
        return bool(self.noted)

    @property
    def failed(self) -> list[Noted]:
        """The checks that keep new connections from their endpoint."""
        return [one for one in self.noted if not one.standing.up]

    def of(self, service: str, address: str, port: int) -> Noted | None:
        """Return what is known of an endpoint. Where a service has an address twice, each is checked at its own
        port."""
        found = self._of.get((service, address), [])
        return next((one for one in found if one.port == port), found[0] if found else None)


def state_word(noted: Noted) -> str:
    """Return "up", "down", or "joining" for an endpoint that has not passed a check yet."""
    standing = noted.standing
    return "up" if standing.up else "joining" if standing.joining else "down"


def since_text(noted: Noted) -> str:
    """Return when an endpoint came to stand as it does, in local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(noted.standing.since))


def health_cell(noted: Noted | None) -> str:
    """Return an endpoint's health as text: "up", "down since 2026-11-27 13:04:05: Connection refused"; "" where nothing
    is checked."""
    if noted is None or noted.standing.up:
        return "" if noted is None else "up"
    answer = noted.standing.answer
    return f"{state_word(noted)} since {since_text(noted)}{f': {answer.words}' if answer else ''}"


def health_lines(health: Health) -> Iterator[str]:
    """Yield a line for each check that keeps new connections from an endpoint, with the services that have the
    endpoint."""
    if health.failed:
        yield "Health"
    for one in health.failed:
        yield f"  {', '.join(one.services)}: {one.name} {health_cell(one)}"


def health_json(noted: Noted) -> dict[str, Any]:
    """Return one check in the JSON of ``svcc status``. ``since`` is in seconds since the epoch."""
    standing = noted.standing
    return {
        "check": noted.name,
        "services": [*noted.services],
        "up": standing.up,
        "joining": standing.joining,
        "since": standing.since,
        "answer": standing.answer and asdict(standing.answer),
    }

"""How endpoints stand, as the agent that keeps the prefix noted it, or the last one did: for tables and JSON."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from svcc.agent import standings
from svcc.agent.standings import Noted
from svcc.apply.installation import Installation
from svcc.apply.keeper import is_kept


class Health:
    """What the agent recorded of the checks of one installation; false where no endpoint is checked."""

    def __init__(self, noted: Iterable[Noted], noted_at: float | None) -> None:
        """``noted_at``: when that was, in seconds since 1970, where no agent runs any more."""
        self.noted = sorted(noted, key=lambda one: one.name)
        self.noted_at = noted_at
        self._of: dict[tuple[str, str], list[Noted]] = {}
        for one in self.noted:
            for service in one.services:
                self._of.setdefault((service, one.address), []).append(one)

    @classmethod
    def read(cls, installation: Installation) -> Health:
        """Return what an agent recorded last of an installation's endpoints. Empty where none ran since something else
        changed what is in place.

        The store's lock is held. Errors: OSError, StoreError.
        """
        noted_at = None
        if not is_kept(installation):
            with suppress(FileNotFoundError):
                noted_at = installation.health.stat().st_mtime
        return cls(standings.read(installation).values(), noted_at)

    def __bool__(self) -> bool:
        return bool(self.noted)

    @property
    def past(self) -> str:
        """The words for health that nobody keeps up to date; "" where an agent does."""
        return "" if self.noted_at is None else f"as it was noted {_time_text(self.noted_at)}: no agent runs"

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
    return _time_text(noted.standing.since)


def _time_text(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


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
        yield f"Health, {health.past}" if health.past else "Health"
    for one in health.failed:
        yield f"  {', '.join(one.services)}: {one.name} {health_cell(one)}"


def health_json(noted: Noted, health: Health) -> dict[str, Any]:
    """Return one check of ``health`` in the JSON of ``svcc status``. ``since`` is in seconds since the epoch."""
    standing = noted.standing
    return {
        "check": noted.name,
        "services": [*noted.services],
        "up": standing.up,
        "joining": standing.joining,
        "since": standing.since,
        "answer": standing.answer and asdict(standing.answer),
        "asked": health.noted_at is None,
    }

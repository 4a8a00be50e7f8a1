"""The agent's log: a line for each event on standard error, as text or JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextlib import suppress
from enum import StrEnum
from typing import TypeAlias

#: The types that an event's fields may have.
Field: TypeAlias = str | int | float | bool | None


class Level(StrEnum):
    """How serious a line of the log is: the values are the words in JSON."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def quiet_libraries() -> None:
    """Have aiohttp log nothing by itself: it writes a traceback for each request that is no HTTP, and a line for each
    cookie that it cannot read. Python prints these where nobody handles them."""
    logging.getLogger("aiohttp").addHandler(logging.NullHandler())


class Log:
    """A log on standard error. With ``as_json`` each event is an object on a line: ``time`` (seconds since 1970),
    ``level``, ``event``, and its fields."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json

    def info(self, event: str, **fields: Field) -> None:
        """Log what went as it should. ``event``: the words; ``fields``: what it was about."""
        self._say(Level.INFO, event, fields)

    def warning(self, event: str, **fields: Field) -> None:
        """Log what the agent deals with by itself, and somebody may want to look at."""
        self._say(Level.WARNING, event, fields)

    def error(self, event: str, **fields: Field) -> None:
        """Log what the agent could not do."""
        self._say(Level.ERROR, event, fields)

    def _say(self, level: Level, event: str, fields: dict[str, Field]) -> None:
        with suppress(OSError):  # nobody reads the log any more: no reason to stop
            print(self._line(level, event, fields), file=sys.stderr, flush=True)

    def _line(self, level: Level, event: str, fields: dict[str, Field]) -> str:
        if self._as_json:
            return json.dumps({"time": round(time.time(), 3), "level": level.value, "event": event, **fields})
        said = "".join(f" {name.replace('_', '-')}={_plain(value)}" for name, value in fields.items())
        mark = "" if level is Level.INFO else f"{level.value}: "
        return f"svcc: {mark}{event}{said}"


def _plain(value: Field) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if not text or set(text) & set(' "=\n\\') else text

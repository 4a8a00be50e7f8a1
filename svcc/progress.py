"""The progress of an apply on standard error. A signal interrupts the apply between two steps, and it is undone."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import click

from svcc import signals
from svcc.apply.engine import Event

#: Events that are shown, and their lines.
_SHOWN = {
    "undoing": "going back to the state before",
    "forgetting": "forgetting UDP connections that would lead nowhere",
}


#: Events after the last step, when there is nothing left to interrupt.
_LAST = ("forgetting", "warning")


class Interrupted(Exception):
    """A signal asked the apply to end; the message names the signal."""


class Progress:
    """A receiver of an apply's events. It prints a line for each step on standard error, unless it is quiet.

    A signal ends the apply before the next event. A standard error that nobody reads does not.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._began = 0.0
        self._amid = False  # whether a line was begun, and not ended yet

    def __call__(self, event: Event) -> None:
        self._show(event)
        if event.what == "undoing":
            signals.patient()
        elif (number := signals.noted_signal()) is not None and event.what not in _LAST:
            raise Interrupted(f"interrupted by {number.name}")

    def _show(self, event: Event) -> None:
        if event.what == "step" and event.step is not None:
            self._began = time.monotonic()
            self._say(f"[{event.number}/{event.total}] {event.step.part}: {event.step.title}", nl=False)
        elif event.what == "done":
            self._say(f" ({time.monotonic() - self._began:.1f} s)")
        elif event.what == "warning":
            self._say(f"svcc: warning: {event.words}")
        elif event.what in _SHOWN:
            self._say("\n" * self._amid + _SHOWN[event.what])

    def _say(self, text: str, *, nl: bool = True) -> None:
        if not self._quiet:
            with suppress(OSError):
                click.echo(text, err=True, nl=nl)
                sys.stderr.flush()
            self._amid = not nl

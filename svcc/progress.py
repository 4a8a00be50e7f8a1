"""What is seen of an apply while it runs, and how it is interrupted: between two steps, to be undone."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import click

from svcc.apply.engine import Event

#: Events that are shown, and how.
_SHOWN = {
    "undoing": "going back to the state before",
    "forgetting": "forgetting UDP connections that would lead nowhere",
}


class Interrupted(Exception):
    """A signal asked for the end; says which."""


class Progress:
    """Takes an apply's events: a line per step on standard error, unless it is to be quiet.

    A signal ends the apply before the next event. Output that nobody reads any more does not.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._signal: signal.Signals | None = None
        self._began = 0.0
        self._amid = False  # whether a line is begun and not ended

    def __call__(self, event: Event) -> None:
        self._show(event)
        if self._signal is not None and event.what != "undoing":
            raise Interrupted(f"interrupted by {self._signal.name}")

    def _show(self, event: Event) -> None:
        if event.what == "step" and event.step is not None:
            self._began = time.monotonic()
            self._say(f"[{event.number}/{event.total}] {event.step.part}: {event.step.title}", nl=False)
        elif event.what == "done":
            self._say(f" ({time.monotonic() - self._began:.1f} s)")
        elif event.what in _SHOWN:
            self._say("\n" * self._amid + _SHOWN[event.what])

    def _say(self, text: str, *, nl: bool = True) -> None:
        if not self._quiet:
            with suppress(OSError):
                click.echo(text, err=True, nl=nl)
                sys.stderr.flush()
            self._amid = not nl

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """While this lasts, signals are only noted, so that no step is torn in the middle.

        One that whoever started us ignores, as nohup(1) does with SIGHUP, stays ignored.
        """
        wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        heard = [number for number in wanted if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._note) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._signal = signal.Signals(number)

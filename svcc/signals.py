"""SIGINT, SIGTERM and SIGHUP end svcc with status 130, 143 or 129, and a line on standard error; nothing is left half
done.

While nothing can be left half done, a signal ends svcc at once. It raises no exception in running code, which might
swallow the exception or print a traceback. Code that must not be interrupted keeps signals off by :func:`held`, and
asks :func:`noted` where it can stop.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: How many seconds a tool may go on after a signal, where its work can be undone.
GRACE = 5.0


class _State:
    """What this process knows of signals."""

    def __init__(self) -> None:
        self.noted: signal.Signals | None = None
        self.held = 0  # how many `held` blocks are open
        self.impatient = False  # whether a running tool may be ended: its work is undone then
        self.words = ""  # end of the message when a signal ends svcc at once


_state = _State()


def install() -> None:
    """Catch signals from now on, but not those that svcc was started to ignore (by nohup, or in a shell's
    background)."""
    for number in _NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _heard)


def noted_signal() -> signal.Signals | None:
    """The first signal that came while signals were held off."""
    return _state.noted


@contextmanager
def saying(words: str) -> Iterator[None]:
    """Inside the ``with`` block, have the message of a signal that ends svcc say what it leaves behind."""
    _state.words = f": {words}"
    try:
        yield
    finally:
        _state.words = ""


@contextmanager
def held_off(*, leave: bool) -> Iterator[None]:
    """Keep signals off inside the ``with`` block.

    ``leave``: end svcc at the end of the block if a signal came; else the rest of the command goes on.
    """
    _state.held += 1
    try:
        yield
    finally:
        _state.held -= 1
    if leave and not _state.held and _state.noted is not None:
        end(_state.noted)


@contextmanager
def impatient() -> Iterator[None]:
    """Inside the ``with`` block, end a tool that runs on for `GRACE` seconds after a signal; until :func:`patient` is
    called."""
    before = signal.signal(signal.SIGALRM, _too_long)
    _state.impatient = True
    try:
        yield
    finally:
        patient()
        signal.signal(signal.SIGALRM, before)


def patient() -> None:
    """Let tools run to their end from now on, whatever signals come: they put things back."""
    _state.impatient = False
    signal.setitimer(signal.ITIMER_REAL, 0)


def status(number: signal.Signals) -> int:
    """The exit status after a signal, as a shell reports it."""
    return 128 + number


def end(number: signal.Signals, what: str = "") -> None:
    """End this process and the tools that it runs, with a line that says why."""
    end_tools()
    with suppress(OSError):
        os.write(2, f"svcc: interrupted by {number.name}{what}\n".encode())
    os._exit(status(number))


def _heard(number: int, _frame: FrameType | None) -> None:
    if not _state.held:
        end(signal.Signals(number), _state.words)
    _state.noted = _state.noted or signal.Signals(number)
    if _state.impatient:
        signal.setitimer(signal.ITIMER_REAL, GRACE)


def _too_long(_number: int, _frame: FrameType | None) -> None:
    if _state.impatient:
        end_tools()


def end_tools() -> None:
    """End the tools that this process runs: nobody waits for them any more."""
    tools = sys.modules.get("svcc.kernel.tools")  # where it is not imported, no tool runs
    if tools is not None and hasattr(tools, "end_all"):
        tools.end_all()

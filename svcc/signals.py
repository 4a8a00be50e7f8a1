"""SIGINT, SIGTERM and SIGHUP, whenever they come: status 130, 143 or 129, a line on standard error, nothing half done.

While nothing can be left half done a signal ends svcc where it is, at once: no exception is raised in the midst of
whatever runs, which might swallow it or show a traceback. Where something can, :func:`held` keeps signals off, and who
holds them asks :func:`noted` where the work can end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds that a tool which runs when a signal comes may go on, where the work can be put back.
GRACE = 5.0


class _State:
    """Of this process."""

    def __init__(self) -> None:
        self.noted: signal.Signals | None = None
        self.held = 0  # how many hold signals off
        self.impatient = False  # whether what runs now may be ended, to be put back
        self.words = ""  # said of a signal that ends svcc at once


_state = _State()


def install() -> None:
    """Hear signals from now on, but for those that whoever started svcc has it ignore (nohup, a shell's background)."""
    for number in _NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _heard)


def noted() -> signal.Signals | None:
    """The first signal that came while signals were held off."""
    return _state.noted


@contextmanager
def saying(words: str) -> Iterator[None]:
    """While this lasts, what a signal leaves behind is said with it."""
    _state.words = f": {words}"
    try:
        yield
    finally:
        _state.words = ""


@contextmanager
def held(*, leave: bool) -> Iterator[None]:
    """Keep signals off. ``leave``: end svcc when this ends well and one came; else the rest of the command goes on."""
    _state.held += 1
    try:
        yield
    finally:
        _state.held -= 1
    if leave and not _state.held and _state.noted is not None:
        end(_state.noted)


@contextmanager
def impatient() -> Iterator[None]:
    """While this lasts, or until :func:`patient` says otherwise, a tool does not keep a signal waiting for long."""
    before = signal.signal(signal.SIGALRM, _too_long)
    _state.impatient = True
    try:
        yield
    finally:
        patient()
        signal.signal(signal.SIGALRM, before)


def patient() -> None:
    """What is done from now on is not ended: it puts things back."""
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
    """End the tools that this process runs, which nobody waits for any more."""
    tools = sys.modules.get("svcc.kernel.tools")  # not imported: none runs
    if tools is not None and hasattr(tools, "end_all"):
        tools.end_all()

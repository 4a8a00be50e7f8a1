"""nft, in the network namespace of the calling thread: the library for what changes rules, the program for all else.

A transaction is given to libnftables in this process (the library has no better way to be told of an error, but there
is no program to be killed half way). Listing is the program's: nft 1.0.6 ends with a segmentation fault where it lists
a table that 1.1 made, and svcc is to survive that. Checking is the program's too: the library's binding cannot ask for
a check.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from typing import Any

import nftables  # type: ignore[import-untyped,unused-ignore]

from svcc.apply import tools
from svcc.apply.steps import StepError

PART = "nft"

_ABSENT = "No such file or directory"
#: What errors in a JSON document begin with, having no position.
_NOWHERE = "internal:0:0-0: Error: "


def installed() -> bool:
    return tools.find("nft") is not None


class Listing:
    """A listing under way, as JSON, with numbers for words (it takes a third less time): of ``table FAMILY NAME``, or
    of ``set`` or ``map FAMILY TABLE NAME``."""

    def __init__(self, *what: str) -> None:
        self._what = what
        self._running = tools.Running(["nft", "-n", "-j", "list", *what]) if installed() else None

    def data(self) -> bytes | None:
        """Waits for it; None where there is no such thing, or no nft. Errors: StepError."""
        if self._running is None:
            return None
        done = self._running.ended
        if done.returncode:
            said = done.stderr.decode(errors="replace")
            if done.returncode > 0 and _ABSENT in said:
                return None
            raise StepError(PART, _words(done.returncode, said), line=f"list {' '.join(self._what)}")
        return done.stdout

    def text(self) -> str | None:
        """The same as text."""
        data = self.data()
        return None if data is None else data.decode()


def list_set(family: str, table: str, name: str) -> str | None:
    """A set, listed. Errors: StepError."""
    return Listing("set", family, table, name).text()


def run(commands: Sequence[Any]) -> None:
    """Carry out commands of libnftables-json(5), all or none. Errors: StepError."""
    kernel = _library()
    if kernel is None:
        _by_program(["nft", "-j", "-f", "-"], commands)
        return
    kernel.set_json_output(True)
    status, output, error = kernel.cmd(_text(commands))
    if status:
        raise StepError(PART, _words(1, error or output))  # the library's -1 is no signal


def check(commands: Sequence[Any]) -> None:
    """Ask whether commands would be carried out. Errors: StepError."""
    _by_program(["nft", "-c", "-j", "-f", "-"], commands)


def _library() -> nftables.Nftables | None:
    """A new context of libnftables, which belongs to the namespace that it is made in; None without the library."""
    try:
        return nftables.Nftables()
    except OSError:
        return None


def _by_program(words: Sequence[str], commands: Sequence[Any]) -> None:
    try:
        done = tools.run(words, _text(commands))
    except FileNotFoundError as error:
        raise StepError(PART, "nft is not installed") from error
    if done.returncode:
        raise StepError(PART, _words(done.returncode, done.stderr or done.stdout))


def _text(commands: Sequence[Any]) -> str:
    return '{"nftables": [\n' + ",\n".join(map(json.dumps, commands)) + "\n]}\n"


def _words(status: int, said: str) -> str:
    """What nft said, each thing once."""
    lines = dict.fromkeys(line.removeprefix(_NOWHERE).strip() for line in said.splitlines() if line.strip())
    words = "; ".join(lines)
    if status < 0:
        ended = f"nft was ended by {signal.Signals(-status).name}"
        if status == -signal.SIGSEGV:
            ended += " (1.0.6 does that to tables that a newer release made)"
        return f"{ended}: {words}" if words else ended
    return words or f"exit status {status}"

"""Read our sets from the kernel."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from svcc.kernel import tools
from svcc.kernel.ipset.difference import PART
from svcc.kernel.ipset.sets import Set, parse_sets
from svcc.kernel.ownership import Ours

#: Names that need no quotes in a command of ``ipset restore``.
_PLAIN = re.compile(r"[\w.:-]+", re.ASCII)


def read_sets(ours: Ours, wanted: Callable[[str], bool] = lambda _: True) -> dict[str, Set]:
    """Return our sets, by name. ``wanted``: says which names to read. Errors: StepError."""
    if tools.find("ipset") is None:
        return {}
    listed = tools.attempt(PART, ["ipset", "list", "-n"])
    if listed.returncode:
        if not Path("/sys/module/ip_set").exists():  # the kernel has no sets at all
            return {}
        raise listed.error(PART, reading=True)
    names = listed.stdout.removesuffix("\n").split("\n") if listed.stdout else []
    chosen = [name for name in names if ours.owns(name) and wanted(name)]
    with tools.understood(PART, "ipset"):
        if len(chosen) == len(names):
            return parse_sets(tools.read(PART, ["ipset", "save"])) if names else {}
        # Only the chosen sets are read: somebody else's may be a thousand times as large as ours.
        return parse_sets(_saved_at_once(chosen) or "".join(map(_saved, chosen)))


def _saved_at_once(names: Sequence[str]) -> str:
    """Return the text of several sets from a single process: to start one takes longer than to print most sets. Return
    "" where that does not work, for example where a set was removed after it was listed."""
    if not names or not all(map(_PLAIN.fullmatch, names)):
        return ""
    done = tools.attempt(PART, ["ipset", "restore"], "".join(f"save {name}\n" for name in names))
    return "" if done.returncode else done.stdout


def _saved(name: str) -> str:
    """Return the text of a set; "" where there is no such set: it was removed meanwhile, or its name is one line of a
    name with line ends in it."""
    done = tools.attempt(PART, ["ipset", "save", name])
    if done.returncode and "The set with the given name does not exist" in done.stderr:
        return ""
    if done.returncode:
        raise done.error(PART, reading=True)
    return done.stdout

"""Our sets as the kernel has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from svcc.kernel import tools
from svcc.kernel.ipset.difference import PART
from svcc.kernel.ipset.sets import Set, parse_sets
from svcc.kernel.ownership import Ours

#: Names that stand in a command of `ipset restore` as they are.
_PLAIN = re.compile(r"[\w.:-]+", re.ASCII)


def read_sets(ours: Ours, wanted: Callable[[str], bool] = lambda _: True) -> dict[str, Set]:
    """Our sets, or those of them whose name is ``wanted``. Errors: StepError."""
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
        # Somebody else's sets may be a thousand times as large as ours.
        return parse_sets(_saved_at_once(chosen) or "".join(map(_saved, chosen)))


def _saved_at_once(names: Sequence[str]) -> str:
    """Sets from one process for all of them: to start one takes longer than to print most sets. Nothing where that does
    not work, as where a set went after it was listed."""
    if not names or not all(map(_PLAIN.fullmatch, names)):
        return ""
    done = tools.attempt(PART, ["ipset", "restore"], "".join(f"save {name}\n" for name in names))
    return "" if done.returncode else done.stdout


def _saved(name: str) -> str:
    """Nothing where there is no such set: it went, or its name is the rest of one that holds the end of a line."""
    done = tools.attempt(PART, ["ipset", "save", name])
    if done.returncode and "The set with the given name does not exist" in done.stderr:
        return ""
    if done.returncode:
        raise done.error(PART, reading=True)
    return done.stdout

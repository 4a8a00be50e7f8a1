"""The form of ``iptables-restore`` scripts, by which a file is known that a target wrote."""

from __future__ import annotations

import re

_CHAIN = r"(?P=prefix)-\S+"
_LINES = rf"""(?:(?:
    \*\w+ | COMMIT | :{_CHAIN}\ -\ \[0:0\] | -A\ {_CHAIN}\ .* | -I\ [A-Z]+\ (?:.*\ )?-j\ {_CHAIN}
)\n|(?!).)++"""


def form(*, sets: bool) -> re.Pattern[str]:
    """Return what matches scripts that have chains of one prefix alone. ``sets``: whether they ask ipsets."""
    asking = r"[\s\S]*\ --match-set\ "
    first = r"\*\w+\n:(?P<prefix>[\w-]+)-\S+\ -\ \[0:0\]\n"
    return re.compile(rf"(?{'=' if sets else '!'}{asking}){first}{_LINES}\Z", re.VERBOSE)

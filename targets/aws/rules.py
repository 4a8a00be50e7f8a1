"""Listener rules: which paths share one, and in which order a request is compared with them.

A path without ``*`` and ``?`` comes before all that have one of these. Of those, the one that says more before its
first ``*`` or ``?`` comes first, of equals the longer. So the order of a program's statements does not matter, and a
rule's priority depends on no rule but those that the same request may fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from svcc.compiler.names import digest

#: Conditions of one rule (Elastic Load Balancing's quotas: condition values per rule).
_VALUES = 5
#: Rules of one listener that always find a place.
MOST = 300

#: Priorities are 1 to 50,000. These are for paths alone; behind them each length before a wildcard has a band.
_EXACT = range(1, 10_001)
_LONGEST = 128
_BAND = 312
_WILDCARD = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True)
class Matched:
    """What one rule of every listener is for: paths that go to the same target group."""

    group: str  # the target group's id
    names: tuple[str, ...]  # what tells it from the others, for its own id
    paths: tuple[str, ...]

    @property
    def literal(self) -> str:
        """What stands before the first wildcard of its first path."""
        return _WILDCARD.split(self.paths[0], 1)[0]

    @property
    def exact(self) -> bool:
        """Whether the path has no wildcards."""
        return self.literal == self.paths[0]


def matched(paths: Mapping[str, Iterable[str]]) -> list[Matched]:
    """The rules for the paths of each target group, which are in the program's order and all different."""
    found: list[Matched] = []
    for group, some in paths.items():
        some = list(some)
        plain = [path for path in some if not _WILDCARD.search(path)]
        for at in range(0, len(plain), _VALUES):
            part = (f"part{at // _VALUES + 1}",) if at else ()
            found.append(Matched(group, part, tuple(plain[at : at + _VALUES])))
        found += [Matched(group, (path,), (path,)) for path in some if _WILDCARD.search(path)]
    return found


def priorities(rules: Iterable[Matched]) -> dict[Matched, int]:
    """A priority for each of at most 300 rules, which the others move only where they need the same one."""
    bands: dict[range, dict[str, list[Matched]]] = {}
    for rule in rules:
        # Only paths that begin in the same way can fit one request, so their order has to be told: side by side.
        family = " ".join((rule.group, *rule.names)) if rule.exact else rule.literal
        bands.setdefault(_band(rule), {}).setdefault(family, []).append(rule)
    found: dict[Matched, int] = {}
    for band, families in bands.items():
        found |= _placed(band, families)
    return found


def _band(rule: Matched) -> range:
    if rule.exact:
        return _EXACT
    start = _EXACT.stop + (_LONGEST - len(rule.literal)) * _BAND
    return range(start, start + _BAND)


def _placed(band: range, families: Mapping[str, list[Matched]]) -> dict[Matched, int]:
    """Each family at a place that its name gives, or the next with room for it, by the longest path first."""
    free = set(band)
    found: dict[Matched, int] = {}
    for family in sorted(families):
        members = sorted(families[family], key=lambda rule: (-len(rule.paths[0]), rule.paths))
        wanted = band.start + int(digest(family), 16) % len(band)
        starts = (*range(wanted, band.stop), *range(band.start, wanted))
        start = next(at for at in starts if free.issuperset(range(at, at + len(members))))
        free -= {*range(start, start + len(members))}
        found |= {member: start + i for i, member in enumerate(members)}
    return found

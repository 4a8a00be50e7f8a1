"""Listener rules: which paths share a rule, and in which order requests are compared with the rules.

A path without wildcards (``*`` and ``?``) comes before all that have one. Of the others, the path with more characters
before its first wildcard comes first, and of equals the longer one. So the order of a program's statements does not
matter, and a rule's priority depends only on rules that the same request may match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from svcc.compiler.names import digest

#: The most conditions of one rule (Elastic Load Balancing's quotas: condition values per rule).
_VALUES = 5
#: The most rules of one listener for which there are always priorities.
MOST = 300

#: Priorities are 1 to 50,000. These are for paths without wildcards. After them, each length before a wildcard has a
#: band of its own.
_EXACT = range(1, 10_001)
_LONGEST = 128
_BAND = 312
_WILDCARD = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True)
class Matched:
    """One rule that every listener has: paths that go to the same target group."""

    group: str  # the id of the target group
    names: tuple[str, ...]  # what distinguishes the rule from the others of the group, for its own id
    paths: tuple[str, ...]

    @property
    def literal(self) -> str:
        """What stands before the first wildcard of its first path."""
        return _WILDCARD.split(self.paths[0], 1)[0]

    @property
    def exact(self) -> bool:
        """Whether the paths have no wildcards."""
        return self.literal == self.paths[0]


def matched(paths: Mapping[str, Iterable[str]]) -> list[Matched]:
    """Return the rules for the paths of each target group. The paths are in the program's order, and all different."""
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
    """Return a priority for each of at most 300 rules. Other rules change it only where they need the same one."""
    bands: dict[range, dict[str, list[Matched]]] = {}
    for rule in rules:
        # One request can only match paths that begin in the same way. Their order matters, so they get adjacent
        # priorities.
        family = " ".join((rule.group, *rule.names)) if rule.exact else rule.literal
        bands.setdefault(_band(rule), {}).setdefault(family, []).append(rule)
    found: dict[Matched, int] = {}
    for band, families in bands.items():
        found |= _priorities_in_band(band, families)
    return found


def _band(rule: Matched) -> range:
    if rule.exact:
        return _EXACT
    start = _EXACT.stop + (_LONGEST - len(rule.literal)) * _BAND
    return range(start, start + _BAND)


def _priorities_in_band(band: range, families: Mapping[str, list[Matched]]) -> dict[Matched, int]:
    """Return the priorities of a band. A family starts at the place that its name gives, or at the next one with room
    for it; in a family the longest path comes first.
    """
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

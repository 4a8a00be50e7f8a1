"""The stages of a rollout, as people write them: which nodes are moved first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from svcc.compiler.suggest import did_you_mean, one_of
from svcc.fleet.errors import FleetError
from svcc.fleet.keys import fault

#: The default stages: one node in a hundred, then a quarter of the nodes, then all.
USUAL = ("1%", "25%", "all")
FORM = "a stage is a node's name, `25%`, `zone NAME` or `all`"
_SHARE = re.compile(r"(100|[1-9][0-9]?)%")
_ZONE = re.compile(r"zone +(\S+)")


class BadStage(FleetError):
    """A word that is no stage, or names a node or a zone that the release does not have."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage. At most one field is set; none means all nodes.

    ``share``: percent of all nodes, rounded up, with those of earlier stages.
    """

    node: str = ""
    zone: str = ""
    share: int = 0

    def __str__(self) -> str:
        return self.node or (f"zone {self.zone}" if self.zone else f"{self.share}%" if self.share else "all")

    @classmethod
    def parse(cls, text: str) -> Stage:
        """Read a stage. Errors: BadStage."""
        if text == "all":
            return cls()
        if share := _SHARE.fullmatch(text):
            return cls(share=int(share[1]))
        if zone := _ZONE.fullmatch(text):
            return cls(zone=zone[1])
        if fault(text) is not None:
            raise BadStage(f"`{text}` is no stage: {FORM}")
        return cls(node=text)


def nodes_of(stages: Sequence[Stage], zones: Mapping[str, str | None]) -> tuple[tuple[str, ...], ...]:
    """Return the nodes that each stage adds to those before it; stages that add none are left out.

    ``zones``: the zone of each node of the release, None where it has none. Nodes are taken in the order of their
    names. Errors: BadStage where there is no such node, or no node in such a zone.
    """
    taken: set[str] = set()
    found = []
    for stage in stages:
        new = tuple(_added(stage, zones, taken))
        if new:
            found.append(new)
        taken.update(new)
    return tuple(found)


def _added(stage: Stage, zones: Mapping[str, str | None], taken: set[str]) -> Iterator[str]:
    rest = [node for node in sorted(zones) if node not in taken]
    if stage.node:
        if stage.node not in zones:
            raise BadStage(f"the release has no node {stage.node}: {_meant(stage.node, zones)}")
        return iter([stage.node] if stage.node in rest else [])
    if stage.zone:
        known = {zone for zone in zones.values() if zone is not None}
        if stage.zone not in known:
            raise BadStage(f"no node of the release is in zone {stage.zone}: {_meant(stage.zone, known)}")
        return (node for node in rest if zones[node] == stage.zone)
    if stage.share:
        wanted = -(-len(zones) * stage.share // 100)  # rounded up
        return iter(rest[: max(0, wanted - len(taken))])
    return iter(rest)


def _meant(word: str, known: Mapping[str, object] | set[str]) -> str:
    return did_you_mean(word, known) or (f"it is {one_of(sorted(known)[:20])}" if known else "there is none")

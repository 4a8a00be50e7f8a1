"""The fingerprints by which svcc recognises the kernel's parts while a generation is in place.

svcc records fingerprints after it has read the machine and found that every part is as the generation wants it. When a
part has the same fingerprint again, its state is that of the generation. Where the kernel itself says that nothing has
changed since, svcc lists nothing. Elsewhere it compares the digest of the listing, and need not parse it. svcc also
records which parts the bundle leaves empty: where the kernel holds nothing of these, it need not read the bundle.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from svcc.apply import cache
from svcc.apply.driver import Fingerprint
from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.kernel.json_values import Json, members, string, strings


@dataclass(frozen=True)
class RecordedParts:
    """What is recorded of the kernel's parts while a generation is in place."""

    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict)  # by part
    #: The parts that the bundle leaves empty (:meth:`svcc.apply.machine.Machine.empty_parts`).
    empty: frozenset[str] = frozenset()


def recorded_parts(installation: Installation, generation: Generation) -> RecordedParts:
    """Return what is recorded of a generation's parts. Nothing is where the record is missing or damaged."""
    noted = _noted(installation, generation)
    if not noted:
        return RecordedParts()
    fingerprints = {part: _from_json(members(one)) for part, one in members(noted["parts"]).items()}
    return RecordedParts(fingerprints, frozenset(strings(noted["empty"])))


def record_fingerprints(
    installation: Installation,
    generation: Generation,
    fingerprints: Mapping[str, Fingerprint],
    empty: Collection[str] = (),
) -> None:
    """Record the fingerprints of a generation, by part. The caller holds the store's lock.

    ``empty``: the parts that the generation's bundle leaves empty. Errors: OSError.
    """
    parts = {part: _to_json(one) for part, one in sorted(fingerprints.items())}
    noted = {"parts": parts, "empty": sorted(empty)}
    if noted != _noted(installation, generation):
        cache.write(installation.file(generation.number, "looks"), generation.hash, noted)


def _noted(installation: Installation, generation: Generation) -> Mapping[str, Json]:
    return members(cache.read(installation.file(generation.number, "looks"), generation.hash) or {})


def _to_json(one: Fingerprint) -> dict[str, object]:
    return {"fingerprint": one.digest, "live_only": one.live_only, "mark": one.mark}


def _from_json(noted: Mapping[str, Json]) -> Fingerprint:
    return Fingerprint(string(noted["fingerprint"]), noted["live_only"], string(noted["mark"]))

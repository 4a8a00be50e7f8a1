"""How the kernel's parts are recognised while a generation is in place.

svcc records fingerprints after it read the machine and found all as it should be. When a part has the same fingerprint
again, its state is that of the generation. Where the kernel itself says that nothing has changed since, svcc lists
nothing. Elsewhere it compares the digest of the listing, and need not parse it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from svcc.apply import cache
from svcc.apply.driver import Fingerprint
from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.kernel.json_values import Json, members, string
from svcc.targets.interface import Bundle


@dataclass(frozen=True)
class RecordedState:
    """The bundle of a generation, and the fingerprints that its parts had in the kernel, as far as they are known."""

    bundle: Bundle | None = None
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict)  # by part


def fingerprints_of(installation: Installation, generation: Generation) -> dict[str, Fingerprint]:
    """The recorded fingerprints of a generation by part; parts without one are left out."""
    noted = cache.read(installation.file(generation.number, "looks"), generation.hash)
    return {part: _from_json(members(one)) for part, one in members(noted or {}).items()}


def record_fingerprints(
    installation: Installation, generation: Generation, fingerprints: Mapping[str, Fingerprint]
) -> None:
    """Record them, the store's lock being held. Errors: OSError."""
    if fingerprints != fingerprints_of(installation, generation):
        noted = {part: _to_json(one) for part, one in sorted(fingerprints.items())}
        cache.write(installation.file(generation.number, "looks"), generation.hash, noted)


def _to_json(one: Fingerprint) -> dict[str, object]:
    return {"fingerprint": one.digest, "live_only": one.live_only, "mark": one.mark}


def _from_json(noted: Mapping[str, Json]) -> Fingerprint:
    return Fingerprint(string(noted["fingerprint"]), noted["live_only"], string(noted["mark"]))

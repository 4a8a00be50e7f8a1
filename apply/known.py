"""What the kernel's parts look like while a generation is in place.

svcc notes that after it read the machine and found all as it should be. When a part looks the same again, its state is
that of the generation. Where the kernel itself says that nothing has changed since, svcc lists nothing. Elsewhere it
compares the digest of the listing, and need not parse it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from svcc.apply import cache
from svcc.apply.driver import Look
from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.kernel.json_values import Json, members, string
from svcc.targets.interface import Bundle


@dataclass(frozen=True)
class Known:
    """The bundle of a generation, and how its parts look in the kernel, as far as it is known."""

    bundle: Bundle | None = None
    looks: Mapping[str, Look] = field(default_factory=dict)


def looks_of(installation: Installation, generation: Generation) -> dict[str, Look]:
    """How the parts of a generation look; those that nothing is known of are left out."""
    noted = cache.read(installation.file(generation.number, "looks"), generation.hash)
    return {part: _look(members(look)) for part, look in members(noted or {}).items()}


def _look(noted: Mapping[str, Json]) -> Look:
    return Look(string(noted["fingerprint"]), noted["live_only"], string(noted["mark"]))


def note_looks(installation: Installation, generation: Generation, looks: Mapping[str, Look]) -> None:
    """Note them, the store's lock being held. Errors: OSError."""
    if looks != looks_of(installation, generation):
        noted = {part: asdict(look) for part, look in sorted(looks.items())}
        cache.write(installation.file(generation.number, "looks"), generation.hash, noted)

"""Which start of the machine this is."""

from __future__ import annotations

from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """A name that no other start has (random(4)). Errors: OSError."""
    return _BOOT_ID.read_text(encoding="ascii").strip()

"""Tell this start of the machine from every other one."""

from __future__ import annotations

from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Return the kernel's boot ID, which no other start of the machine has (random(4)). Errors: OSError."""
    return _BOOT_ID.read_text(encoding="ascii").strip()

"""What the kernel lets this process do."""

from __future__ import annotations

from contextlib import suppress
from enum import IntEnum
from pathlib import Path


class Capability(IntEnum):
    """Capabilities, with their numbers (include/uapi/linux/capability.h)."""

    NET_ADMIN = 12
    SYS_ADMIN = 21


def has_capability(capability: Capability) -> bool:
    """Whether this process has a capability in its own user namespace (proc(5), CapEff). True where that cannot be
    read: then the kernel itself refuses what is not allowed.
    """
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            name, _, held = line.partition(":")
            if name == "CapEff":
                return bool(int(held, 16) >> capability & 1)
    return True

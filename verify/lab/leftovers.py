"""Finds the owner of a lab, and what remains when the owner is gone.

A lab's processes carry ``SVCC_LAB=PIDNS:PID:START:NAME`` in their environment: the owner's pid namespace, pid and start
time (which tells it from a later process with the same pid), and the lab's name. The lab's server ends these processes
when the owner ends; :func:`sweep` is for the case that the server was killed too.
"""

from __future__ import annotations

import os
import re
from itertools import count

from svcc.verify.lab.servers import MARKER, end_processes_of

_numbers = count(1)
_MARKER = re.compile(r"(?P<namespace>\d+):(?P<pid>\d+):(?P<start>\d+):")


def unique_name() -> str:
    """Return a name that no other lab of this machine has, whether this process or another one made it."""
    return f"svcc-lab-{os.getpid()}-{next(_numbers)}"


def marker(name: str) -> str:
    """Return the marker of a lab with this process as its owner."""
    return f"{_pid_namespace()}:{os.getpid()}:{start_time(os.getpid())}:{name}"


def sweep() -> list[int]:
    """End the processes of labs whose owner is gone, and with them their namespaces.

    Return the pids that were ended.
    """
    return [pid for found in sorted(_markers()) if _orphaned(found) for pid in end_processes_of(found)]


def _markers() -> set[str]:
    found = set()
    prefix = f"{MARKER}=".encode()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                found |= {v[len(prefix) :].decode() for v in file.read().split(b"\0") if v.startswith(prefix)}
        except (OSError, UnicodeDecodeError):
            continue
    return found


def _orphaned(text: str) -> bool:
    """Whether a marker's owner is gone.

    For an owner in another pid namespace, that cannot be seen, and it counts as alive.
    """
    match = _MARKER.match(text)
    if match is None or match["namespace"] != _pid_namespace():
        return False
    return start_time(int(match["pid"])) != match["start"]


def _pid_namespace() -> str:
    return str(os.stat("/proc/self/ns/pid").st_ino)


def start_time(pid: int) -> str | None:
    """Return the start time of a process in clock ticks since boot (proc(5), field 22). Return None where there is no
    such process, or only its zombie.
    """
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[19]

"""Parameters and their values, printed and parsed as ``sysctl -p`` reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

PART = "sysctl"


class Setting(NamedTuple):
    """A parameter and its value, as a file for ``sysctl -p`` has them (sysctl.d(5))."""

    key: str  # "net.ipv4.ip_forward"
    value: str
    why: str = ""  # a comment before it


#: Each key's value; None: the kernel has no such key. As a wanted value None wants nothing: the module that brings
#: the key stays, and its key with it.
Parameters: TypeAlias = Mapping[str, str | None]


def of_device(family: int, device: str, name: str) -> str:
    """The key of a device's parameter: "net.ipv4.conf.eth0/100.rp_filter".

    A dot in the device's name, as that of a VLAN has one, is a slash there (sysctl(8)).
    """
    return f"net.ipv{family}.conf.{device.replace('.', '/')}.{name}"


def sysctl_text(settings: Iterable[Setting]) -> str:
    """What ``sysctl -p`` reads."""
    return "".join(f"{f'# {one.why}{chr(10)}' if one.why else ''}{one.key} = {one.value}\n" for one in settings)


def parameters(settings: Iterable[Setting]) -> dict[str, str | None]:
    """The settings by key."""
    return {one.key: one.value for one in settings}


def parse_parameters(text: str) -> dict[str, str | None]:
    """What :func:`sysctl_text` printed. Errors: ValueError, with the line."""
    found: dict[str, str | None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line and line[0] not in "#;":
            key, equals, value = line.partition("=")
            if not equals:
                raise ValueError(f"line {number}: not KEY = VALUE: {line}")
            found[key.strip()] = as_written(value)
    return found


def as_written(value: str) -> str:
    """A value as it is written by hand: the kernel prints several numbers with tabs between."""
    return " ".join(value.split())

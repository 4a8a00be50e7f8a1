"""Kernel parameters and their values, printed and parsed in the form that ``sysctl -p`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

PART = "sysctl"


class Setting(NamedTuple):
    """A parameter and its value, as they are in a file for ``sysctl -p`` (sysctl.d(5))."""

    key: str  # "net.ipv4.ip_forward"
    value: str
    why: str = ""  # a comment before it


#: The value of each key; None: the kernel has no such key. A wanted value of None asks for nothing: the module that
#: brought the key stays loaded, so that the key cannot be removed.
Parameters: TypeAlias = Mapping[str, str | None]


def of_device(family: int, device: str, name: str) -> str:
    """Return the key of a device's parameter: "net.ipv4.conf.eth0/100.rp_filter".

    A dot in the device's name, as a VLAN's may have one, is a slash there (sysctl(8)).
    """
    return f"net.ipv{family}.conf.{device.replace('.', '/')}.{name}"


def sysctl_text(settings: Iterable[Setting]) -> str:
    """Return the text that ``sysctl -p`` reads."""
    return "".join(f"{f'# {one.why}{chr(10)}' if one.why else ''}{one.key} = {one.value}\n" for one in settings)


def parameters(settings: Iterable[Setting]) -> dict[str, str | None]:
    """Return the settings' values by key."""
    return {one.key: one.value for one in settings}


def parse_parameters(text: str) -> dict[str, str | None]:
    """Return the parameters in a text that :func:`sysctl_text` printed. Errors: ValueError, with the line."""
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
    """Return a value with single spaces, as people write it: the kernel prints tabs between several numbers."""
    return " ".join(value.split())

"""The programs of the benchmarks: how many services they have, how many endpoints each of these has, and their text.

Service number i (from 0) has the vip 198.19.{i/250}.{1+i%250}, port 8080/tcp, and the endpoints k = i*N+j for j below N
at 100.{64+k/64000}.{(k%64000)/250}.{1+k%250}. No scheduler is named: each target uses its default.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a benchmark program. ``str()`` is its name in tables: ``10000x10-mixed``."""

    services: int
    endpoints: int  # of each service
    mixed: bool = False  # every tenth service has a node port and client-ip affinity as well
    version: int = 4  # the family of all addresses
    ports: int = 1  # of each service

    def __str__(self) -> str:
        marks = ("mixed", self.mixed), ("v6", self.version == 6), (f"{self.ports}ports", self.ports > 1)
        return "-".join((f"{self.services}x{self.endpoints}", *(name for name, said in marks if said)))

    def options(self) -> list[str]:
        """Return the options of run.py for this size."""
        numbers = ("--services", self.services), ("--endpoints", self.endpoints), ("--ports", self.ports)
        flags = ("--mixed", self.mixed), ("--ipv6", self.version == 6)
        return [str(word) for option in numbers for word in option] + [flag for flag, said in flags if said]


def vip(number: int, version: int = 4) -> str:
    return f"198.19.{number // 250}.{1 + number % 250}" if version == 4 else f"fd00:19::{number + 1:x}"


def endpoint(number: int, version: int = 4) -> str:
    if version == 6:
        return f"fd00:64::{(number + 1) >> 16:x}:{(number + 1) & 0xFFFF:x}"
    return f"100.{64 + number // 64000}.{number % 64000 // 250}.{1 + number % 250}"


def pods(version: int = 4) -> str:
    return "100.64.0.0/10" if version == 4 else "fd00:64::/64"


def program(size: Size, changed: bool = False) -> str:
    """Return the program's text. ``changed``: the last endpoint of the middle service is replaced by another."""
    return "".join(_chunks(size, size.services // 2 if changed else None))


def _chunks(size: Size, changed: int | None) -> Iterator[str]:
    yield f"svcc 1\n\ncluster {{ pods {pods(size.version)} }}\n"
    if size.mixed:
        yield f"node bench {{ address {'10.0.0.4' if size.version == 4 else 'fd00:10::4'} }}\n"
    for i in range(size.services):
        numbers = list(range(i * size.endpoints, (i + 1) * size.endpoints))
        if i == changed and numbers:
            numbers[-1] = size.services * size.endpoints
        lines = "".join(f"    {endpoint(k, size.version)}\n" for k in numbers)
        yield (
            f"\nservice bench/svc-{i:05} {{\n"
            f"  vip {vip(i, size.version)}\n"
            f"{_ports(size, i)}"
            f"  endpoints {{\n{lines}  }}\n"
            "}\n"
        )


def _ports(size: Size, number: int) -> str:
    extra = size.mixed and number % 10 == 0
    nodeport = f" nodeport {30000 + number // 10}" if extra else ""
    ports = "".join(
        f"  port {f'p{p} ' if size.ports > 1 else ''}{8080 + p}/tcp{nodeport if p == 0 else ''}\n"
        for p in range(size.ports)
    )
    return ports + ("  affinity client-ip 3h\n" if extra else "")

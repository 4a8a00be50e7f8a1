"""Probes and their answers: one probe for each address, port and check, however many services use it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from svcc.compiler import ir
from svcc.compiler.health_checks import asked_port

#: How many services are named that share a probe.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """What is asked of an endpoint. ``port``: the port that is asked, which is the check's own where it has one.

    ``check``: without its port, so that two checks of one port are one probe, whether they name it or not.
    """

    address: ir.Address
    port: int
    check: ir.Check
    _hash: int = field(init=False, repr=False, compare=False)  # kept, as thousands of probes are looked up every second

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.address, self.port, self.check)))

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        """Return the probe's name in the log and in `svcc agent status`: "http 100.64.0.9:8080"."""
        where = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{self.check.kind.value} {where}:{self.port}"

    @property
    def question(self) -> str:
        """What is asked. How often, and how many answers count, is no part of it."""
        check = self.check
        asked = (check.path, check.host or "", check.expect, check.insecure, check.name)
        return " ".join(map(repr, (str(self), *asked)))

    @property
    def key(self) -> str:
        """The probe's name in a state file: its question, and its times and numbers."""
        check = self.check
        return f"{self.question} {check.every!r} {check.timeout!r} {check.fall!r} {check.rise!r}"


def question_of(key: str) -> str:
    """Return the question of the probe with a key."""
    return key.rsplit(" ", 4)[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a probe. ``words``: the status, or what went wrong; ``seconds``: from the question to the
    answer."""

    passed: bool
    words: str
    seconds: float


def probe_of(service: ir.Service, endpoint: ir.Endpoint) -> Probe | None:
    """Return the probe of a service's endpoint; None where the service has no check."""
    if service.check is None:
        return None
    check = service.check if service.check.port is None else replace(service.check, port=None)
    return Probe(endpoint.address, asked_port(service, service.check, endpoint), check)


def asked_of(service: ir.Service) -> list[tuple[ir.Endpoint, Probe]]:
    """Return the endpoints of a service that are asked, with their probes. Those that the program drains are not."""
    found = ((endpoint, probe_of(service, endpoint)) for endpoint in service.endpoints if endpoint.weight)
    return [(endpoint, probe) for endpoint, probe in found if probe is not None]


def probes_of(service: ir.Service) -> dict[Probe, None]:
    """Return the probes of a service, each once."""
    return dict.fromkeys(probe for _, probe in asked_of(service))


def probes(program: ir.Program) -> dict[Probe, list[str]]:
    """Return the probes of a program, each with the names of the services that use it."""
    found: dict[Probe, list[str]] = {}
    for service in program.services:
        for probe in probes_of(service) if service.check is not None else ():
            found.setdefault(probe, []).append(service.name)
    return found


def services_text(names: Sequence[str]) -> str:
    """Return the names of services on a short line: "a, b, c and 7 more"."""
    more = len(names) - _NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_NAMED])} and {more} more"

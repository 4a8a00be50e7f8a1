"""Endpoints whose standings are recorded, for tests of the record."""

from __future__ import annotations

from pathlib import Path

from svcc.agent import standings
from svcc.agent.health import Health
from svcc.agent.probe import Answer, Probe
from svcc.agent.standings import Noted
from svcc.apply.store import Store
from svcc.compiler import ir
from svcc.compiler.load import load_text
from svcc.compiler.source import Source

GOOD, BAD = Answer(True, "connected", 0.001), Answer(False, 'refused: "ü\n\udc80', 0.002)
_SERVICE = "service {0} {{ vip 198.19.0.{1}; port 80/tcp; check tcp fall 1 rise 1; endpoints {{ {2} }} }}\n"


def program(**hosts: list[int]) -> ir.Program:
    """Return services by name, with the last bytes of their endpoints' addresses. One answer takes an endpoint in or
    out."""
    text = "".join(
        _SERVICE.format(name, number, "; ".join(f"100.64.0.{host}" for host in some))
        for number, (name, some) in enumerate(hosts.items(), 1)
    )
    found = load_text(Source("x.dsl", text)).program
    assert found is not None
    return found


class Notes:
    """A writer, and what it records. Each event is one second after the last."""

    def __init__(self, folder: Path) -> None:
        self.installation = Store(folder).installation("t")
        self.health, self.writer = Health(), standings.Writer()
        self.seconds = 0.0

    @property
    def path(self) -> Path:
        return self.installation.health

    def follow(self, program: ir.Program) -> None:
        self.seconds += 1
        self.health.follow(program, (), self.seconds)

    def hear(self, probe: Probe, answer: Answer) -> None:
        self.seconds += 1
        if self.health.hear(probe, answer, self.seconds):
            self.writer.turned(probe)

    def turn(self, probe: Probe) -> None:
        self.hear(probe, BAD if self.health.is_up(probe) else GOOD)

    def write(self) -> None:
        self.writer.write(self.installation, self.health)

    def write_all(self) -> None:
        self.writer.write_all(self.installation, self.health)

    def read(self) -> dict[str, Noted]:
        return standings.read(self.installation)

    def stands(self) -> dict[str, Noted]:
        """Return what has to be recorded."""
        return {
            probe.key: Noted(str(probe), str(probe.address), probe.port, tuple(users), self.health.standings[probe])
            for probe, users in self.health.users.items()
        }

"""Rules of iptables say the shares of endpoints one after the other; import finds the whole again."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.commands.import_ import findings
from svcc.compiler import ir
from svcc.compiler.importers import importers
from svcc.compiler.importers.interface import Imported
from svcc.compiler.importers.sound import sound
from svcc.compiler.source import Source


@dataclass(frozen=True)
class Written:
    """One service, as rules have it."""

    number: int
    port: int
    weights: tuple[int, ...]
    turns: bool  # by nth, not by chance
    chained: bool  # the choice is in a chain of its own, and each endpoint too
    affinity: int | None

    @property
    def address(self) -> str:
        return f"198.19.{self.number}.1"

    def endpoint(self, k: int) -> str:
        return f"100.64.{self.number}.{k + 1}"

    def rules(self) -> list[str]:
        front = f"-d {self.address}/32 -p tcp -m tcp --dport {self.port}"
        ends = [f"DNAT --to-destination {self.endpoint(k)}:8080" for k in range(len(self.weights))]
        lines: list[str] = []
        if self.chained:
            names = [f"END-{self.number}-{k}" for k in range(len(ends))]
            for k, (name, end) in enumerate(zip(names, ends, strict=True)):
                memory = f"-m recent --set --name {name} --rsource " if self.affinity else ""
                lines += [f"-A {name} -s {self.endpoint(k)}/32 -j MARKED", f"-A {name} -p tcp {memory}-j {end}"]
            ends, front = names, f"-A CHOICE-{self.number}"
            lines.append(f"-A PREROUTING {self.front} -j CHOICE-{self.number}")
        else:
            front = f"-A PREROUTING {front}"
        if self.affinity:
            memory = f"-m recent --rcheck --seconds {self.affinity} --reap --name"
            lines += [f"{front} {memory} {end} --rsource -j {end}" for end in ends]
        left = sum(self.weights)
        for weight, end in zip(self.weights, ends, strict=True):
            lines.append(f"{front}{self._share(weight, left)} -j {end}")
            left -= weight
        return lines

    @property
    def front(self) -> str:
        return f"-d {self.address}/32 -p tcp -m tcp --dport {self.port}"

    def _share(self, weight: int, left: int) -> str:
        if weight == left:
            return ""
        if self.turns:
            return f" -m statistic --mode nth --every {left} --packet 0"
        return f" -m statistic --mode random --probability {weight / left:.11f}"

    @property
    def means(self) -> object:
        common = gcd(*self.weights)
        endpoints = [(self.endpoint(k), weight // common) for k, weight in enumerate(self.weights)]
        scheduler = ir.Scheduler.RR if self.turns and len(self.weights) > 1 else None
        return [self.address], [(self.port, 8080)], endpoints, scheduler, self.affinity


@st.composite
def services(draw: st.DrawFn) -> list[Written]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        turns, chained = draw(st.booleans()), draw(st.booleans())
        weight = st.just(1) if turns else st.integers(1, 9)
        weights = draw(st.lists(weight, min_size=1, max_size=8))
        affinity = draw(st.none() | st.integers(1, 86_400)) if chained else None
        found.append(Written(number, draw(st.integers(1, 65_535)), tuple(weights), turns, chained, affinity))
    return found


def imported(lines: list[str]) -> Imported:
    marked = "-A MARKED -j MARK --set-xmark 0x1/0x1"
    text = "\n".join(["*nat", ":PREROUTING ACCEPT [0:0]", *lines, marked, "COMMIT", ""])
    return sound(importers()["iptables"].read([Source("rules", text)]), findings)


def meaning(service: ir.Service) -> object:
    ports = [(port.ports.first, port.target) for port in service.ports]
    endpoints = [(str(endpoint.address), endpoint.weight) for endpoint in service.endpoints]
    return [str(vip) for vip in service.vips], ports, endpoints, service.scheduler, service.affinity


@pytest.mark.parametrize(
    ("parts", "weights"),
    [
        (("0.33", "0.5"), [1, 1, 1]),
        (("0.33333333349", "0.50000000000"), [1, 1, 1]),
        (("0.6", "0.75"), [6, 3, 1]),
        (("0.51",), [51, 49]),
        (("0.123456",), []),  # no whole numbers up to a thousand
        (("1.0",), [1]),
        (("0",), []),
        (("1.5",), []),
    ],
)
def test_shares_as_people_write_them(parts: tuple[str, ...], weights: list[int]) -> None:
    front = "-A PREROUTING -d 198.19.0.1/32 -p tcp -m tcp --dport 80"
    lines = [
        f"{front} -m statistic --mode random --probability {part} -j DNAT --to-destination 100.64.0.{k + 1}:80"
        for k, part in enumerate(parts)
    ]
    found = imported([*lines, f"{front} -j DNAT --to-destination 100.64.0.9:80"]).program
    assert [endpoint.weight for service in found.services for endpoint in service.endpoints] == weights


@given(services(), st.randoms(use_true_random=False))
def test_shares_become_weights_again(written: list[Written], random: Random) -> None:
    found = imported(_mixed([service.rules() for service in written], random))
    wanted = sorted((service.means for service in written), key=repr)
    assert sorted(map(meaning, found.program.services), key=repr) == wanted
    assert {note.reason for note in found.notes} <= {"no rule that was carried over leads here"}


def _mixed(blocks: list[list[str]], random: Random) -> list[str]:
    """The lines of all blocks, those of each in their order."""
    blocks, lines = [[*block] for block in blocks], []
    while left := [block for block in blocks if block]:
        lines.append(random.choice(left).pop(0))
    return lines


@pytest.mark.parametrize("left_out", range(3))
def test_a_row_without_one_of_its_rules_is_no_service(left_out: int) -> None:
    """Or, without an earlier one, another one: never a service that takes connections that the rules do not."""
    service = Written(0, 80, (1, 1, 1), turns=False, chained=False, affinity=None)
    lines = service.rules()
    del lines[left_out]
    found = imported(lines)
    assert len(found.program.services) == (0 if left_out == 2 else 1)
    assert [e.weight for s in found.program.services for e in s.endpoints] == {0: [1, 1], 1: [1, 2], 2: []}[left_out]


def test_chains_that_meet_again_and_again() -> None:
    """Four thousand ways lead to one endpoint; each chain is followed once. A loop is no service."""
    half = "-m statistic --mode random --probability 0.5 "
    pairs = [f"-A C{k} {share}-j C{k + 1}" for k in range(12) for share in (half, "")]
    lines = ["-A PREROUTING -d 198.19.0.1/32 -p tcp -m tcp --dport 80 -j C0", *pairs]
    (service,) = imported([*lines, "-A C12 -p tcp -j DNAT --to-destination 100.64.0.1:80"]).program.services
    assert [(str(e.address), e.weight) for e in service.endpoints] == [("100.64.0.1", 1)]
    assert not imported([*lines, "-A C12 -j C0"]).program.services

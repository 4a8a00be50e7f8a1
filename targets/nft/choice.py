"""Which endpoint a new connection gets: the schedulers as numbers, and the numbers as slots.

A slot is an endpoint's position among those of its service, in the order of the source. The position of a
draining endpoint stays free, so that the others keep theirs (and their clients, under affinity).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import gcd
from typing import TypeAlias

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend
from svcc.targets.nft.expressions import Expression, Jhash, Numgen

#: Of jhash: some number, the same in every output.
SEED = 0x73766363

#: Numbers that wrr deals out endpoint by endpoint; where weights need more, each endpoint's come in one run.
_DEALT = 256

_METHODS = {ir.Scheduler.RANDOM: "spread", ir.Scheduler.SH: "hash", ir.Scheduler.RR: "rr", ir.Scheduler.WRR: "wrr"}


@dataclass(frozen=True, slots=True)
class Shift:
    """The endpoint's ports for a range: ``first`` to ``last`` become ``target`` and up."""

    first: int
    last: int
    target: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}-to-{self.target}"


#: What becomes of the port: always this one, or a range's own, or (None) it stays.
Target: TypeAlias = int | Shift | None


@dataclass(frozen=True)
class Choice:
    """One of several slots."""

    scheduler: ir.Scheduler
    weights: tuple[int, ...]  # by slot, without a common divisor; 0: no endpoint there
    targets: tuple[Target, ...]  # by slot; a single one: the same for all

    @property
    def counts(self) -> bool:
        """Whether there is a counter, which no two services may share: each client of one would move the other's on."""
        return self.scheduler in (ir.Scheduler.RR, ir.Scheduler.WRR)

    @property
    def method(self) -> str:
        return _METHODS[self.scheduler]

    @cached_property
    def slots(self) -> tuple[tuple[int, Target], ...]:
        """The slots with an endpoint, and its port."""
        targets = self.targets * len(self.weights) if len(self.targets) == 1 else self.targets
        return tuple((slot, targets[slot]) for slot, weight in enumerate(self.weights) if weight)

    @cached_property
    def name(self) -> str:
        """``spread-2-8080``, ``spread-2-8080-w2.1``, ``spread-2-8080.9443``, ``hash-2-same``."""
        name = f"{self.method}-{len(self.weights)}-{'.'.join(map(port_name, self.targets))}"
        return name if set(self.weights) == {1} else f"{name}-w{'.'.join(map(str, self.weights))}"

    def number(self, source: Expression) -> Expression:
        """The number that a packet draws, below the sum of the weights."""
        modulus = sum(self.weights)
        if self.scheduler is ir.Scheduler.SH:
            return Jhash(source, modulus, SEED)
        return Numgen("inc" if self.counts else "random", modulus)

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """Which numbers lead where: (first, last, slot), from 0 to the sum of the weights, without a gap."""
        if self.scheduler is ir.Scheduler.WRR and sum(self.weights) <= _DEALT:
            yield from _merge(_deal(self.weights))
            return
        ends = accumulate(self.weights)
        for slot, (weight, end) in enumerate(zip(self.weights, ends, strict=True)):
            if weight:
                yield end - weight, end - 1, slot


def choice(frontend: Frontend) -> Choice:
    """How a frontend with endpoints chooses. A scheduler that is not given is ``random``."""
    weights, targets = _weights(frontend), _targets(frontend)
    scheduler = frontend.service.scheduler or ir.Scheduler.RANDOM
    if scheduler is ir.Scheduler.RR:
        weights = tuple(min(weight, 1) for weight in weights)
    if len(frontend.endpoints) == 1:  # no choice, no counter
        return Choice(ir.Scheduler.RANDOM, weights, targets)
    return Choice(scheduler, weights, targets)


def slots(frontend: Frontend) -> tuple[ir.Endpoint | None, ...]:
    """The endpoints by slot, up to the last that gets new connections."""
    if not frontend.draining:
        return frontend.endpoints
    eligible, draining = set(map(id, frontend.endpoints)), set(map(id, frontend.draining))
    here = [e for e in frontend.service.endpoints if id(e) in eligible or id(e) in draining]
    while id(here[-1]) in draining:
        here.pop()
    return tuple(endpoint if id(endpoint) in eligible else None for endpoint in here)


def _weights(frontend: Frontend) -> tuple[int, ...]:
    weights = tuple([0 if endpoint is None else endpoint.weight for endpoint in slots(frontend)])
    divisor = gcd(*weights)
    return weights if divisor == 1 else tuple(weight // divisor for weight in weights)


def _targets(frontend: Frontend) -> tuple[Target, ...]:
    own = [None if endpoint is None else endpoint.port for endpoint in slots(frontend)]
    if not any(own):
        return (_target(frontend.ports, frontend.port.target),)
    targets = tuple(_target(frontend.ports, frontend.port.target if port is None else port) for port in own)
    return targets[:1] if len(set(targets)) == 1 else targets


def _target(ports: ir.PortRange, target: int) -> Target:
    if len(ports) == 1:
        return target
    return None if ports.first == target else Shift(ports.first, ports.last, target)


def port_name(target: Target) -> str:
    return "same" if target is None else str(target)


def _deal(weights: tuple[int, ...]) -> Iterator[int]:
    """Slots in the order of IPVS' wrr: those with the highest weight until the others' is reached, then both."""
    for level in range(max(weights), 0, -1):
        yield from (slot for slot, weight in enumerate(weights) if weight >= level)


def _merge(dealt: Iterator[int]) -> Iterator[tuple[int, int, int]]:
    """Runs of the same slot."""
    first, last, current = 0, -1, -1
    for number, slot in enumerate(dealt):
        if slot != current and current >= 0:
            yield first, last, current
            first = number
        last, current = number, slot
    yield first, last, current

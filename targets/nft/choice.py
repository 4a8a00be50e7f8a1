"""Which endpoint a new connection gets: a scheduler draws a number, and the number leads to a slot.

A slot is an endpoint's position among those of its service, in the order of the source. The slot of a draining endpoint
stays free, so that the other endpoints keep their slots (and their clients, under affinity).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from math import gcd, isqrt
from typing import TypeAlias

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend
from svcc.kernel.nft.expressions import Concat, Expression, Jhash, Numgen, Payload

#: The seed of jhash. Any number would do; it is the same in every output.
SEED = 0x73766363

_METHODS = {ir.Scheduler.RANDOM: "spread", ir.Scheduler.SH: "hash", ir.Scheduler.RR: "rr", ir.Scheduler.WRR: "wrr"}


@dataclass(frozen=True, slots=True)
class Shift:
    """How a range of ports is shifted for an endpoint: ``first`` to ``last`` become ``target`` and up."""

    first: int
    last: int
    target: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}-to-{self.target}"


#: The port at the endpoint: always this one, or the shifted one of a range, or (None) the port that the client asked
#: for.
PortTarget: TypeAlias = int | Shift | None


@dataclass(frozen=True)
class Choice:
    """How one of several slots is chosen."""

    scheduler: ir.Scheduler
    weights: tuple[int, ...]  # by slot, without a common divisor; 0: the slot has no endpoint
    targets: tuple[PortTarget, ...]  # by slot; a single one is the same for all slots
    by_port: bool = False  # the hash also takes the client's port

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """The hash of all fields. It is kept: there are few choices, and each frontend looks one up."""
        return hash((self.scheduler, self.weights, self.targets, self.by_port))

    @property
    def counts(self) -> bool:
        """Whether the choice needs a counter.

        Two services may not share one, because clients of one would advance the other's turns.
        """
        return self.scheduler in (ir.Scheduler.RR, ir.Scheduler.WRR)

    @property
    def method(self) -> str:
        """The word for the scheduler in the names of chains: ``spread``, ``hash-port``, ``rr``."""
        return f"{_METHODS[self.scheduler]}-port" if self.by_port else _METHODS[self.scheduler]

    @cached_property
    def slots(self) -> tuple[tuple[int, PortTarget], ...]:
        """The slots that have an endpoint, each with the port at the endpoint."""
        targets = self.targets * len(self.weights) if len(self.targets) == 1 else self.targets
        return tuple((slot, targets[slot]) for slot, weight in enumerate(self.weights) if weight)

    @cached_property
    def name(self) -> str:
        """The name of the choice: ``spread-2-8080``, ``spread-2-8080-w2.1``, ``spread-2-8080.9443``, ``hash-2-same``,
        ``hash-port-2-same``.
        """
        name = f"{self.method}-{len(self.weights)}-{'.'.join(map(port_name, self.targets))}"
        return name if set(self.weights) == {1} else f"{name}-w{'.'.join(map(str, self.weights))}"

    def number(self, source: Expression) -> Expression:
        """Return the expression for the number that a packet draws, below the sum of the weights.

        It is for choices without a counter.
        """
        modulus = sum(self.weights)
        if self.scheduler is not ir.Scheduler.SH:
            return Numgen("random", modulus)
        return Jhash(source_and_port(source) if self.by_port else source, modulus, SEED)

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """Return which numbers lead to which slot: (first, last, slot), from 0 to the weights' sum, without a gap."""
        ends = accumulate(self.weights)
        for slot, (weight, end) in enumerate(zip(self.weights, ends, strict=True)):
            if weight:
                yield end - weight, end - 1, slot

    def turns(self) -> Iterator[tuple[int, int, int]]:
        """Return which connections each rule takes out of those that the rules before it left: (``n``, ``at``, slot),
        number ``at`` of every ``n``.

        The slots are in reverse order. Slot k takes w_k of the w_1 + ... + w_k connections that reach it, so its rules
        depend only on the slots before it. Every ``n`` divides the number of connections that reach it in a cycle, so
        each cycle (as many connections as the sum of the weights) is exact. The last rule takes all that is left.
        """
        found, reaching = list[list[tuple[int, int, int]]](), 0
        for slot, weight in enumerate(self.weights):
            reaching += weight
            found.append([(n, at, slot) for n, at in _shares(reaching, weight)])
        for turns in reversed(found):
            yield from turns


def source_and_port(source: Expression) -> Expression:
    """Return the client's address together with the port that it connects from."""
    return Concat((source, Payload("th", "sport")))


def choice(frontend: Frontend) -> Choice:
    """Return how a frontend with endpoints chooses. Without a scheduler in the service, that is ``random``."""
    weights, targets = _weights(frontend), _targets(frontend)
    scheduler = frontend.service.scheduler or ir.Scheduler.RANDOM
    if scheduler is ir.Scheduler.RR:
        weights = tuple(min(weight, 1) for weight in weights)
    if len(frontend.endpoints) == 1:  # one endpoint needs no choice, and no counter
        return _same(ir.Scheduler.RANDOM, weights, targets)
    return _same(scheduler, weights, targets, frontend.service.scheduler_by is ir.HashBy.ADDRESS_PORT)


#: One object for all equal choices: there are few, and what is asked of them is worked out once.
_same = lru_cache(maxsize=4096)(Choice)


def slots(frontend: Frontend) -> tuple[ir.Endpoint | None, ...]:
    """Return the endpoints by slot, up to the last one that gets new connections.

    Slots stay free for endpoints that are declared as draining while others serve. Endpoints that serve only when
    others are gone (backups, and endpoints on other nodes) have no slot: there would be as many shapes as ways to place
    endpoints on nodes.
    """
    if not frontend.draining:
        return frontend.endpoints
    eligible, draining = set(map(id, frontend.endpoints)), set(map(id, frontend.draining))
    # in the order of their declaration
    here = [e for e in frontend.service.endpoints if id(e) in eligible or id(e) in draining]
    while here and id(here[-1]) in draining:
        here.pop()
    if not here:  # draining endpoints serve, in place of those that should
        return frontend.endpoints
    return tuple(endpoint if id(endpoint) in eligible else None for endpoint in here)


def _weights(frontend: Frontend) -> tuple[int, ...]:
    weights = tuple([0 if endpoint is None else endpoint.weight for endpoint in slots(frontend)])
    divisor = gcd(*weights)
    return weights if divisor == 1 else tuple(weight // divisor for weight in weights)


def _targets(frontend: Frontend) -> tuple[PortTarget, ...]:
    own = [None if endpoint is None else endpoint.port for endpoint in slots(frontend)]
    if not any(own):
        return (_target(frontend.ports, frontend.port.target),)
    targets = tuple(_target(frontend.ports, frontend.port.target if port is None else port) for port in own)
    return targets[:1] if len(set(targets)) == 1 else targets


def _target(ports: ir.PortRange, target: int) -> PortTarget:
    if len(ports) == 1:
        return target
    return None if ports.first == target else Shift(ports.first, ports.last, target)


def port_name(target: PortTarget) -> str:
    """Return the endpoints' port for the name of a map; ``same``: the port that the client asked for."""
    return "same" if target is None else str(target)


@lru_cache(maxsize=4096)
def _shares(all: int, part: int) -> tuple[tuple[int, int], ...]:
    """Split ``part`` out of ``all`` into shares of what is left each time: (``n``, ``at``), one of every ``n``, where
    ``n`` divides what is left.

    The largest share comes first. Further shares of a slot are taken half way through every ``n``, which keeps the
    slot's turns apart.
    """
    shares = list[tuple[int, int]]()
    while part:
        n = _smallest_divisor(all, all // part + (all % part > 0))
        shares.append((n, n // 2 if shares else 0))
        all, part = all - all // n, part - all // n
    return tuple(shares)


def _smallest_divisor(number: int, least: int) -> int:
    """Return the smallest divisor of ``number`` that is not below ``least``."""
    small = [divisor for divisor in range(1, isqrt(number) + 1) if number % divisor == 0]
    return min(d for divisor in small for d in (divisor, number // divisor) if d >= least)

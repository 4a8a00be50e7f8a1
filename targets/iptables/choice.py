"""The choice of an endpoint: one rule for each, the last of which takes what is left.

The rules stand in reverse order. Endpoint k's rule depends on endpoints 1 to k only, so that appending an endpoint
puts one line in front and changes none behind it (two lines with affinity; not under ``wrr``, which spreads turns).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import gcd
from typing import TypeAlias

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend
from svcc.targets.iptables.matches import CERTAIN, Bucket, Nth, Random, Remember, Remembered
from svcc.targets.xtables import Dnat, Match, Proto, Rule

#: One rule of a choice: when it holds, and which endpoint (from 0) it leads to.
Turn: TypeAlias = tuple[tuple[Match, ...], int]


def choice(frontend: Frontend, chain: str) -> list[Rule]:
    """The rules of ``chain`` that send a connection to one of the frontend's endpoints, of which there is one."""
    turns = TURNS[frontend.service.scheduler or ir.Scheduler.RANDOM](frontend.port.protocol, frontend.endpoints)
    to = _destinations(frontend)
    seconds = frontend.service.affinity
    if seconds is None:
        return [Rule(matches, to[index]) for matches, index in turns]
    proto = Proto(frontend.port.protocol)
    lists = [f"{chain.replace('/', ':')}-{_endpoint(endpoint)}" for endpoint in frontend.endpoints]
    version = frontend.version
    again = [Rule((proto, Remembered(lists[i], version, seconds)), to[i]) for i in range(len(to) - 1, -1, -1)]
    return again + [Rule((*matches, Remember(lists[i], version)), to[i]) for matches, i in turns]


def _endpoint(endpoint: ir.Endpoint) -> str:
    return str(endpoint.address) if endpoint.port is None else f"{endpoint.address}:{endpoint.port}"


def _destinations(frontend: Frontend) -> list[Dnat]:
    """The endpoints as DNAT takes them. A range keeps its port numbers."""
    if len(frontend.ports) > 1:
        return [Dnat(str(e.address)) for e in frontend.endpoints]
    return [Dnat(str(e.address), frontend.target(e)) for e in frontend.endpoints]


# -- schedulers -------------------------------------------------------------------------------------------------------


def _random(protocol: ir.Protocol, endpoints: tuple[ir.Endpoint, ...]) -> list[Turn]:
    """Endpoint k takes its weight's part of the weights up to its own: what the rules before it have left over."""
    turns: list[Turn] = []
    total = 0
    for index, endpoint in enumerate(endpoints):
        total += endpoint.weight
        turns.append((_part(protocol, endpoint.weight, total), index))
    turns.reverse()
    return turns


def _rr(protocol: ir.Protocol, endpoints: tuple[ir.Endpoint, ...]) -> list[Turn]:
    return [(_every(protocol, index + 1), index) for index in range(len(endpoints) - 1, -1, -1)]


def _wrr(protocol: ir.Protocol, endpoints: tuple[ir.Endpoint, ...]) -> list[Turn]:
    """Round robin over as many turns as the weights (in lowest terms) add up to."""
    order = interleaved(units(endpoints))
    return [(_every(protocol, position + 1), order[position]) for position in range(len(order) - 1, -1, -1)]


def _sh(protocol: ir.Protocol, endpoints: tuple[ir.Endpoint, ...]) -> list[Turn]:
    """As a choice at random among as many turns as the weights (in lowest terms) add up to, but hashes are the dice.

    A client that goes to an endpoint now goes there or to the new one when one is appended.
    """
    order = [index for index, weight in enumerate(units(endpoints)) for _ in range(weight)]
    return [(_bucket(protocol, position + 1), order[position]) for position in range(len(order) - 1, -1, -1)]


#: The schedulers that iptables has, and their rules' conditions from the first to the last.
TURNS: dict[ir.Scheduler, Callable[[ir.Protocol, tuple[ir.Endpoint, ...]], list[Turn]]] = {
    ir.Scheduler.RANDOM: _random,
    ir.Scheduler.RR: _rr,
    ir.Scheduler.WRR: _wrr,
    ir.Scheduler.SH: _sh,
}


def units(endpoints: tuple[ir.Endpoint, ...]) -> list[int]:
    """The weights in lowest terms."""
    weights = [endpoint.weight for endpoint in endpoints]
    common = gcd(*weights)
    return [weight // common for weight in weights]


def interleaved(weights: list[int]) -> list[int]:
    """Indices, each as often as its weight, spread evenly: 5, 1, 1 gives 0 0 1 0 2 0 0.

    In each turn every index gains its weight, the richest has the turn and pays the sum of the weights.
    """
    total = sum(weights)
    credit = [0] * len(weights)
    order = []
    for _ in range(total):
        credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
        turn = credit.index(max(credit))
        credit[turn] -= total
        order.append(turn)
    return order


# -- conditions that thousands of services share (a tuple is printed once) ---------------------------------------------


@lru_cache(maxsize=4096)
def _part(protocol: ir.Protocol, weight: int, total: int) -> tuple[Match, ...]:
    if weight == total:
        return (Proto(protocol),)
    return Proto(protocol), Random(max(1, (weight * CERTAIN + total // 2) // total))


@lru_cache(maxsize=4096)
def _every(protocol: ir.Protocol, turns: int) -> tuple[Match, ...]:
    return (Proto(protocol),) if turns == 1 else (Proto(protocol), Nth(turns))


@lru_cache(maxsize=4096)
def _bucket(protocol: ir.Protocol, turns: int) -> tuple[Match, ...]:
    return (Proto(protocol),) if turns == 1 else (Proto(protocol), Bucket(turns))

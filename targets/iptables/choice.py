"""The choice of an endpoint: one rule for each, of which the last takes all that is left.

The rules are in reverse order, and the rule for endpoint k depends on endpoints 1 to k only. So appending an endpoint
adds one line at the front (two with affinity), and changes none behind it. This does not hold for ``wrr``, which
spreads an endpoint's turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TypeAlias

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend
from svcc.kernel.addresses import text_of
from svcc.kernel.xtables.matches import Match, Proto
from svcc.kernel.xtables.script import words
from svcc.kernel.xtables.verdicts import dnat
from svcc.targets.iptables.matches import CERTAIN, Bucket, Nth, Random, Remember, Remembered
from svcc.targets.iptables.weights import units

#: One rule of a choice: when it matches, and which endpoint (from 0) it leads to.
Turn: TypeAlias = tuple[tuple[Match, ...], int]
#: An endpoint's weight and, where its port has to be written, the protocol.
PortTarget: TypeAlias = tuple[int, ir.Protocol | None]


def choice(frontends: Sequence[Frontend], memory: str) -> list[str]:
    """Return the rules of a chain that send a connection to an endpoint. They are texts, because there are hundreds of
    thousands, and an object for each would take longer than everything else.

    ``frontends``: all that lead to the chain. There is at least one, and they have the same endpoints. ``memory`` is
    the beginning of the names of the client lists; choices with the same ``memory`` share their lists.
    """
    frontend = frontends[0]
    ports = _ports(frontends)
    to = [dnat(text_of(e.address), port) for e, port in zip(frontend.endpoints, ports, strict=True)]
    protocol = frontend.port.protocol
    protocols = tuple([None if port is None else protocol for port in ports])
    weights = tuple([e.weight for e in frontend.endpoints])
    turns = _turns(frontend.service.scheduler or ir.Scheduler.RANDOM, weights, protocols)
    seconds = frontend.service.affinity
    if seconds is None:
        return [when + to[index] for when, index in turns]
    version = frontend.version
    network = frontend.client_length
    lists = _client_lists(frontend, memory)
    again = [
        f"{words(_proto(protocols[index]))}{Remembered(lists[index], version, seconds, network)} {to[index]}"
        for index in range(len(to) - 1, -1, -1)
    ]
    return again + [f"{when}{Remember(lists[index], version, network)} {to[index]}" for when, index in turns]


def _client_lists(frontend: Frontend, memory: str) -> list[str]:
    """Return the name of each endpoint's client list.

    The length of networks that count as one client is a part of it. The kernel takes a list's mask from the rule that
    makes the list (recent_mt_check); a rule with another mask that comes to a list of the same name gets the old one.
    """
    beginning, shift = memory.replace("/", ":"), _shift(frontend)
    end = "" if frontend.client_length is None else f"_{frontend.client_length}"
    return [f"{beginning}-{_endpoint(endpoint, shift)}{end}" for endpoint in frontend.endpoints]


def _endpoint(endpoint: ir.Endpoint, shift: int) -> str:
    return text_of(endpoint.address) if endpoint.port is None else f"{endpoint.address}:{endpoint.port - shift}"


def _shift(frontend: Frontend) -> int:
    """Return the offset between the endpoints' own ports and the ports of this frontend, which has one port of a range.

    Where all ports of a service share one memory, an endpoint has one name in it, and so this offset is taken off. Only
    a service with a single port has endpoints with ports of their own.
    """
    if not frontend.service.affinity_per_service:
        return 0
    return frontend.port.ports.first - frontend.service.ports[0].ports.first


def _ports(frontends: Sequence[Frontend]) -> list[int | None]:
    """Return the port that DNAT writes for each endpoint. None: it writes none.

    DNAT writes no port that stays the same for every client, as in a range. A rule without a port need not match the
    protocol again, because the dispatch has done so: that saves a third of the nft variant's work.
    """
    target, arrivals = frontends[0].port.target, {f.ports.first for f in frontends}
    own = [e.port for e in frontends[0].endpoints]
    written = {port: target if port is None else port for port in {*own}}
    written = {port: to for port, to in written.items() if arrivals != {to}}
    return [written.get(port) for port in own]


# -- schedulers -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _turns(
    scheduler: ir.Scheduler, weights: tuple[int, ...], protocols: tuple[ir.Protocol | None, ...]
) -> tuple[tuple[str, int], ...]:
    """Return the turns from the first to the last, with their conditions as texts.

    They are cached, because thousands of services have the same.
    """
    turns = TURNS[scheduler](tuple(zip(weights, protocols, strict=True)))
    return tuple((words(matches), index) for matches, index in turns)


def _random(targets: Sequence[PortTarget]) -> list[Turn]:
    """Return turns where endpoint k takes its share of what is left: its weight out of those of endpoints 1 to k."""
    turns: list[Turn] = []
    total = 0
    for index, (weight, protocol) in enumerate(targets):
        total += weight
        turns.append((_part(protocol, weight, total), index))
    turns.reverse()
    return turns


def _rr(targets: Sequence[PortTarget]) -> list[Turn]:
    return _in_turn(targets, range(len(targets)), _every)


def _wrr(targets: Sequence[PortTarget]) -> list[Turn]:
    """Return a round robin with as many turns as the weights (in lowest terms) add up to."""
    return _in_turn(targets, interleaved(_units(targets)), _every)


def _sh(targets: Sequence[PortTarget]) -> list[Turn]:
    """Return turns like those of a random choice, as many as the weights (in lowest terms) add up to, with a hash in
    place of chance.

    When an endpoint is appended, each client stays at its endpoint, or goes to the new one.
    """
    return _in_turn(targets, [i for i, weight in enumerate(_units(targets)) for _ in range(weight)], _bucket)


def _units(targets: Sequence[PortTarget]) -> list[int]:
    return units([weight for weight, _ in targets])


def _in_turn(
    targets: Sequence[PortTarget],
    order: Sequence[int],
    condition: Callable[[ir.Protocol | None, int], tuple[Match, ...]],
) -> list[Turn]:
    """Return turns of which each takes one in n of what reaches it, where n counts the turns up to it."""
    return [(condition(targets[order[n]][1], n + 1), order[n]) for n in range(len(order) - 1, -1, -1)]


#: The schedulers that iptables has, with a function that returns their turns from the first to the last.
TURNS: dict[ir.Scheduler, Callable[[Sequence[PortTarget]], list[Turn]]] = {
    ir.Scheduler.RANDOM: _random,
    ir.Scheduler.RR: _rr,
    ir.Scheduler.WRR: _wrr,
    ir.Scheduler.SH: _sh,
}


def interleaved(weights: list[int]) -> list[int]:
    """Return each index as often as its weight, spread evenly: 5, 1, 1 gives 0 0 1 0 2 0 0.

    In each turn every index gains its weight; the one with the most gets the turn, and pays the sum of the weights.
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


# -- conditions, which turns of different numbers share as well --------------------------------------------------------


def _proto(protocol: ir.Protocol | None) -> tuple[Match, ...]:
    return () if protocol is None else (Proto(protocol),)


@lru_cache(maxsize=4096)
def _part(protocol: ir.Protocol | None, weight: int, total: int) -> tuple[Match, ...]:
    if weight == total:
        return _proto(protocol)
    return *_proto(protocol), Random(max(1, (weight * CERTAIN + total // 2) // total))


@lru_cache(maxsize=4096)
def _every(protocol: ir.Protocol | None, turns: int) -> tuple[Match, ...]:
    return _proto(protocol) if turns == 1 else (*_proto(protocol), Nth(turns))


@lru_cache(maxsize=4096)
def _bucket(protocol: ir.Protocol | None, turns: int) -> tuple[Match, ...]:
    return _proto(protocol) if turns == 1 else (*_proto(protocol), Bucket(turns))

"""Services of the Linux Virtual Server (IPVS), whatever wrote them down: what of them svcc says in its own words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.compiler.importers.interface import Note
from svcc.compiler.source import Span

#: The longest affinity that svcc's language has.
_DAY = 86_400
#: The kernel's schedulers, all of which the language has; its `random` is none of them.
SCHEDULERS = {scheduler.value: scheduler for scheduler in ir.Scheduler if scheduler is not ir.Scheduler.RANDOM}


@dataclass(frozen=True, slots=True)
class Server:
    """A real server."""

    address: ir.Address
    port: int  # 0: the port that the client asked for
    weight: int
    forward: ir.Forward
    span: Span


@dataclass(frozen=True, slots=True)
class Front:
    """What a virtual server listens on: ports, all of one protocol, of addresses of one family."""

    addresses: tuple[ir.Address, ...]
    protocol: ir.Protocol
    ports: ir.PortRange


@dataclass(frozen=True, slots=True)
class Settings:
    scheduler: ir.Scheduler
    affinity: int | None
    spans: dict[str, Span]  # by statement, and by address


def affinity(seconds: int, span: Span, notes: list[Note]) -> int | None:
    """Seconds of persistence as affinity; none for 0."""
    if seconds > _DAY:
        notes.append(Note(span, "affinity lasts a day at most, which the program says"))
    return min(seconds, _DAY) or None


def alike(servers: Iterable[Server], version: int, notes: list[Note]) -> list[Server]:
    """The servers that one service of svcc can have: of its family, and forwarded to as the first is."""
    found: list[Server] = []
    for server in servers:
        if server.address.version != version:
            notes.append(
                Note(server.span, "a service of svcc leads an address to endpoints of the address's own family")
            )
        elif found and server.forward is not found[0].forward:
            others = found[0].forward
            notes.append(
                Note(server.span, f"all of a service is forwarded in one way, and this one's first is {others}")
            )
        else:
            found.append(server)
    return found


def service(
    name: str, fronts: Sequence[Front], servers: Sequence[Server], settings: Settings, span: Span
) -> ir.Service:
    """One service. All fronts have the same addresses, all servers the same ``forward``.

    The addresses are ``shared``, as they are for IPVS: it holds none itself, and takes the declared ports alone.
    ``masquerade never``: IPVS itself changes no client's address.
    """
    addresses = fronts[0].addresses
    ports = tuple(_port(front, servers, named=len(fronts) > 1, span=span) for front in fronts)
    forward = servers[0].forward if servers else ir.Forward.MASQUERADE
    only = ports[0].target if len(ports) == 1 else None
    return ir.Service(
        name,
        vips=addresses,
        shared=addresses,
        ports=ports,
        endpoints=tuple(_endpoint(server, only) for server in servers),
        scheduler=settings.scheduler,
        affinity=settings.affinity,
        masquerade=ir.Masquerade.NEVER if forward is ir.Forward.MASQUERADE else ir.Masquerade.AUTO,
        forward=forward,
        span=span,
        spans=settings.spans,
    )


def _port(front: Front, servers: Sequence[Server], *, named: bool, span: Span) -> ir.Port:
    """What the first server gets, the others get as well, or have an own port."""
    target = servers[0].port if servers else 0
    if servers and servers[0].forward is not ir.Forward.MASQUERADE:
        target = 0  # the packet stays as it is
    name = f"{front.protocol}-{front.ports}" if named else None
    return ir.Port(name, front.protocol, front.ports, target or front.ports.first, span=span)


def _endpoint(server: Server, target: int | None) -> ir.Endpoint:
    own = target is not None and server.forward is ir.Forward.MASQUERADE and server.port not in (0, target)
    return ir.Endpoint(server.address, server.port if own else None, server.weight, span=server.span)

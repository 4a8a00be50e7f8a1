"""Ranges of ports whose numbers change on the way to the endpoint: one frontend for each port.

DNAT can shift a whole range (``--to-destination ADDR:7000-7003/6000``), but where the shifted connection would equal an
existing one (the same source port of a client, at the same endpoint through another service), the kernel takes the next
port of the range instead, which is wrong (nf_nat_l4proto_unique_tuple). A single port leaves it no other to take.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend

#: The most ports of a range that is shifted: each port needs a chain, with a rule for each endpoint.
SHIFTED_PORTS = 1024
#: The most rules that all shifted ranges of a program may need together, which take svcc some 300 MB.
SHIFTED_RULES = 300_000


def spread_ranges(frontends: Iterable[Frontend]) -> Iterator[Frontend]:
    """Yield the frontends. Each frontend with a shifted range is replaced by one for each of its ports."""
    for _, group in groupby(frontends, key=lambda f: (id(f.service), id(f.port))):
        same_port = list(group)
        if len(same_port[0].port.ports) == 1:
            yield from same_port
            continue
        taken = {port.name for port in same_port[0].service.ports}
        shifted = {frontend.version for frontend in same_port if shifts(frontend)}
        yield from (frontend for frontend in same_port if frontend.version not in shifted)
        for offset in range(len(same_port[0].ports)) if shifted else ():
            port = _single(same_port[0].port, offset, taken)
            yield from (_at(frontend, port, offset) for frontend in same_port if frontend.version in shifted)


def shifts(frontend: Frontend) -> bool:
    """Whether a port of the range may change on the way to an endpoint that the service may have on any node."""
    if len(frontend.ports) == 1:
        return False
    return frontend.port.target != frontend.ports.first or any(e.port is not None for e in frontend.service.endpoints)


def _single(port: ir.Port, offset: int, taken: Collection[str | None]) -> ir.Port:
    """Return one port of a range, with a name that is not ``taken`` by another port of the service."""
    number = port.ports.first + offset
    name = str(number) if port.name is None else f"{port.name}-{number}"
    while name in taken:
        name += ":"
    return replace(
        port,
        name=name,
        ports=ir.PortRange(number, number),
        target=port.target + offset,
        nodeport=None,
    )


def _at(frontend: Frontend, port: ir.Port, offset: int) -> Frontend:
    number = frontend.ports.first + offset
    endpoints, draining = (
        tuple(e if e.port is None else replace(e, port=e.port + offset) for e in found)
        for found in (frontend.endpoints, frontend.draining)
    )
    return replace(frontend, port=port, ports=ir.PortRange(number, number), endpoints=endpoints, draining=draining)

"""Ranges of ports whose numbers change on the way to the endpoint: one frontend for each port.

DNAT can shift a whole range (``--to-destination ADDR:7000-7003/6000``), but where the shifted connection would be the
double of one that exists (a client's source port, seen by the same endpoint through another service), the kernel takes
the next port of the range instead: a wrong one (nf_nat_l4proto_unique_tuple). With a single port there is none to take.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend

#: The most ports of such a range: each is a chain with a rule per endpoint.
SHIFTED_PORTS = 1024


def spread_ranges(frontends: Iterable[Frontend]) -> Iterator[Frontend]:
    """The frontends, those of a port and family whose range is shifted replaced by one for each of its ports."""
    for _, group in groupby(frontends, key=lambda f: (id(f.service), id(f.port))):
        same_port = list(group)
        if len(same_port[0].port.ports) == 1:
            yield from same_port
            continue
        shifted = {frontend.version for frontend in same_port if shifts(frontend)}
        yield from (frontend for frontend in same_port if frontend.version not in shifted)
        for offset in range(len(same_port[0].ports)) if shifted else ():
            port = _single(same_port[0].port, offset)
            yield from (_at(frontend, port, offset) for frontend in same_port if frontend.version in shifted)


def shifts(frontend: Frontend) -> bool:
    """Whether a range does not keep its numbers on the way to every endpoint that the service may have anywhere."""
    if len(frontend.ports) == 1:
        return False
    return frontend.port.target != frontend.ports.first or any(e.port is not None for e in frontend.service.endpoints)


def _single(port: ir.Port, offset: int) -> ir.Port:
    number = port.ports.first + offset
    return replace(
        port,
        name=str(number) if port.name is None else f"{port.name}-{number}",
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

"""From frontends back to a program, as far as they tell: for comparing where no program is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address

from svcc.apply.summary import ServedFrontend
from svcc.compiler import ir, names


def program_of(frontends: Iterable[ServedFrontend], others: Iterable[ServedFrontend]) -> ir.Program:
    """A program that has these frontends, with all their addresses as vips and no settings.

    ``others``: those that it is compared with, for what these do not tell: where ports without endpoints lead to.
    """
    services: dict[str, list[ServedFrontend]] = {}
    for one in frontends:
        services.setdefault(one.service, []).append(one)
    elsewhere = _targets(others)
    found = (_service(name, mine, elsewhere) for name, mine in sorted(services.items()))
    return ir.Program(services=tuple(found))


def _targets(frontends: Iterable[ServedFrontend]) -> dict[str, int]:
    """The port that most endpoints of each label have."""
    counts: dict[str, Counter[int]] = {}
    for one in frontends:
        counts.setdefault(one.label, Counter()).update(port for _, port, _ in one.endpoints)
    return {label: max(ports, key=lambda port: (ports[port], -port)) for label, ports in counts.items() if ports}


def _service(name: str, frontends: list[ServedFrontend], elsewhere: dict[str, int]) -> ir.Service:
    labels: dict[str, list[ServedFrontend]] = {}
    for one in frontends:
        labels.setdefault(one.label, []).append(one)
    targets = elsewhere | _targets(frontends)
    single = targets.get(frontends[0].label) if len(labels) == 1 else None
    return ir.Service(
        name=name,
        vips=tuple(dict.fromkeys(ip_address(one.address) for one in frontends if one.address is not None)),
        ports=tuple(_port(name, label, mine, targets) for label, mine in labels.items()),
        endpoints=tuple(_endpoints(frontends, single)),
    )


def _port(service: str, label: str, frontends: list[ServedFrontend], targets: Mapping[str, int]) -> ir.Port:
    own = [one for one in frontends if one.address is not None]
    outside = [ir.PortRange(one.first, one.last) for one in frontends if one.address is None]
    ports = ir.PortRange(own[0].first, own[0].last) if own else outside[0]
    return ir.Port(
        label.removeprefix(names.word(service)).lstrip("-") or None,
        ir.Protocol(frontends[0].protocol),
        ports,
        targets.get(label, ports.first),
        outside[0] if outside else None,
    )


def _endpoints(frontends: Iterable[ServedFrontend], target: int | None) -> Iterator[ir.Endpoint]:
    """Each once. ``target``: the only port's; where there are several, endpoints have no ports of their own."""
    seen: set[tuple[str, int | None]] = set()
    for one in frontends:
        for address, port, weight in one.endpoints:
            own = None if target is None or port == target else port
            if (address, own) not in seen:
                seen.add((address, own))
                yield ir.Endpoint(ip_address(address), own, weight)

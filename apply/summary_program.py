"""Make a program from frontends, as far as they tell, for comparing where no program is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address

from svcc.apply.summary import ServedFrontend
from svcc.compiler import ir, names


def program_of(frontends: Iterable[ServedFrontend], others: Iterable[ServedFrontend]) -> ir.Program:
    """Return a program that has these frontends, with all their addresses as vips and no settings.

    ``others``: the frontends that it is to be compared with. A port without endpoints does not tell its target port;
    that of the same port there is taken.
    """
    services: dict[str, list[ServedFrontend]] = {}
    for one in frontends:
        services.setdefault(one.service, []).append(one)
    elsewhere = _targets(others)
    found = (_service(name, mine, elsewhere) for name, mine in sorted(services.items()))
    return ir.Program(services=tuple(found))


def _targets(frontends: Iterable[ServedFrontend]) -> dict[str, int]:
    """Return, for each label, the port that most of its endpoints have."""
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
    """Yield the endpoints of frontends, each once. ``target``: the target port, where the service has one port.
    Endpoints with another port get one of their own. None: the service has several ports, and no endpoint has its
    own."""
    seen: set[tuple[str, int | None]] = set()
    for one in frontends:
        for address, port, weight in one.endpoints:
            own = None if target is None or port == target else port
            if (address, own) not in seen:
                seen.add((address, own))
                yield ir.Endpoint(ip_address(address), own, weight)

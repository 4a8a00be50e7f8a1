"""What changes in a service's endpoints: they come, go, move to another address, drain, or get another weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from svcc.compiler import ir
from svcc.compiler.service_change import ServiceChange, What

#: Maps an endpoint to the one that it becomes.
_Pairs: TypeAlias = Mapping[ir.Endpoint, ir.Endpoint]


def endpoint_changes(old: ir.Service, new: ir.Service) -> Iterator[ServiceChange]:
    """Return what differs between the endpoints of a service: they go, come, move to another address, or change."""
    if old.endpoints == new.endpoints:
        return
    stay = _staying(old.endpoints, new.endpoints)
    moved = _moved(old.endpoints, new.endpoints, stay)
    pairs = {**stay, **moved}
    come = set(pairs.values())
    for endpoint in old.endpoints:
        if endpoint not in pairs:
            yield ServiceChange(What.ENDPOINT_REMOVED, socket_of(endpoint, old), before=options(endpoint))
    for endpoint in new.endpoints:
        if endpoint not in come:
            yield ServiceChange(What.ENDPOINT_ADDED, socket_of(endpoint, new), after=options(endpoint))
    for before in old.endpoints:
        if before in moved:
            yield _move(before, moved[before], old, new)
        elif before in stay and before != stay[before]:
            yield from _differences(before, stay[before], new)
    order = [pairs[endpoint] for endpoint in old.endpoints if endpoint in pairs]
    if order != [endpoint for endpoint in new.endpoints if endpoint in come]:
        yield ServiceChange(What.ORDER, "endpoints")


def _staying(old: Sequence[ir.Endpoint], new: Sequence[ir.Endpoint]) -> dict[ir.Endpoint, ir.Endpoint]:
    """Return the endpoints that exist before and after: paired by address and port, else by address alone."""
    pairs: dict[ir.Endpoint, ir.Endpoint] = {}
    after = {(one.address, one.port): one for one in new}
    for endpoint in old:
        if (found := after.pop((endpoint.address, endpoint.port), None)) is not None:
            pairs[endpoint] = found
    left = {one.address: one for one in after.values()}
    for endpoint in old:
        if endpoint not in pairs and (found := left.pop(endpoint.address, None)) is not None:
            pairs[endpoint] = found
    return pairs


def _moved(old: Sequence[ir.Endpoint], new: Sequence[ir.Endpoint], stay: _Pairs) -> dict[ir.Endpoint, ir.Endpoint]:
    """Return the endpoints that took the place of others in the list, and differ from them only in the address (and the
    node).

    An endpoint's place is known by the endpoint before it that stays. Both lists must have equally many endpoints there
    that do not stay.
    """
    kept = {after: before for before, after in stay.items()}
    come = _gaps(new, {after: kept[after] for after in kept})
    found: dict[ir.Endpoint, ir.Endpoint] = {}
    for behind, gone in _gaps(old, {before: before for before in stay}).items():
        others = come.get(behind, [])
        if len(others) == len(gone):
            found |= {a: b for a, b in zip(gone, others, strict=True) if _same_but_address(a, b)}
    return found


def _same_but_address(one: ir.Endpoint, other: ir.Endpoint) -> bool:
    return replace(one, address=other.address, node=other.node) == other


def _gaps(endpoints: Sequence[ir.Endpoint], stay: _Pairs) -> dict[ir.Endpoint | None, list[ir.Endpoint]]:
    """Return the endpoints that do not stay, grouped by the endpoint before them that does. ``stay`` maps
    the endpoints that stay to those that stand for them in the result.
    """
    found: dict[ir.Endpoint | None, list[ir.Endpoint]] = {}
    behind: ir.Endpoint | None = None
    for endpoint in endpoints:
        if endpoint in stay:
            behind = stay[endpoint]
        else:
            found.setdefault(behind, []).append(endpoint)
    return found


def _move(before: ir.Endpoint, after: ir.Endpoint, old: ir.Service, new: ir.Service) -> ServiceChange:
    node = f" on {after.node}" if after.node and after.node != before.node else ""
    subject = socket_of(before, old)
    return ServiceChange(What.ENDPOINT_MOVED, subject, subject, f"{socket_of(after, new)}{node}")


def _differences(before: ir.Endpoint, after: ir.Endpoint, new: ir.Service) -> Iterator[ServiceChange]:
    subject = socket_of(after, new)
    if before.port != after.port:
        yield ServiceChange(What.ENDPOINT_PORT, subject, _own_port(before), _own_port(after))
    if before.weight != after.weight:
        drained = What.ENDPOINT_DRAINED if after.draining else What.ENDPOINT_WEIGHT
        what = What.ENDPOINT_RESUMED if before.draining else drained
        yield ServiceChange(what, subject, str(before.weight), str(after.weight))
    if before.node != after.node:
        yield ServiceChange(What.ENDPOINT_NODE, subject, before.node or "none", after.node or "none")
    if before.backup != after.backup and (before.draining or not after.draining):  # one that drains never serves
        yield ServiceChange(What.ENDPOINT_BACKUP, subject, _backup(before), _backup(after))
    if before.max_connections != after.max_connections:
        yield ServiceChange(What.ENDPOINT_LIMIT, subject, _limit(before), _limit(after))


def _backup(endpoint: ir.Endpoint) -> str:
    return "backup" if endpoint.backup else "always"


def _limit(endpoint: ir.Endpoint) -> str:
    return "none" if endpoint.max_connections is None else str(endpoint.max_connections)


def _own_port(endpoint: ir.Endpoint) -> str:
    return "the service's" if endpoint.port is None else str(endpoint.port)


def socket_of(endpoint: ir.Endpoint, service: ir.Service) -> str:
    """Return an endpoint as "100.64.0.9:8080"; the address alone where the service has several ports, or a range."""
    port = endpoint.port
    if port is None and len(service.ports) == 1 and len(service.ports[0].ports) == 1:
        port = service.ports[0].target
    host = str(endpoint.address)
    if port is None:
        return host
    return f"[{host}]:{port}" if endpoint.address.version == 6 else f"{host}:{port}"


def options(endpoint: ir.Endpoint) -> str:
    """Return what is said of an endpoint beside its address, as the language writes it."""
    weight = "draining" if endpoint.draining else f"weight {endpoint.weight}" if endpoint.weight != 1 else ""
    limit = f"max-connections {endpoint.max_connections}" if endpoint.max_connections else ""
    words = (weight, f"on {endpoint.node}" if endpoint.node else "", "backup" if endpoint.backup else "", limit)
    return " ".join(word for word in words if word)

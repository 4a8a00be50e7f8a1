"""The endpoints of EndpointSlices, as kube-proxy uses them: by port, each once, with what their conditions mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from svcc.compiler import ir
from svcc.compiler.importers.kubernetes.fields import written
from svcc.compiler.importers.kubernetes.objects import EndpointSlice, ServicePort, SliceEndpoint
from svcc.compiler.importers.kubernetes.remarks import Place, Work
from svcc.compiler.importers.words import address as address_in


class PortEndpoint(NamedTuple):
    """An endpoint for one port of a Service."""

    address: ir.Address
    port: int
    draining: bool
    node: str | None
    place: Place

    @property
    def key(self) -> tuple[int, int, int]:
        """The sort key of endpoints: family, address, port."""
        return self.address.version, int(self.address), self.port


_FAMILIES = {"IPv4": 4, "IPv6": 6}


def usable(work: Work, some: EndpointSlice, families: set[int]) -> bool:
    """Whether kube-proxy uses the endpoints of this slice, which belongs to the Service."""
    name = f"EndpointSlice {some.name}"
    for path in some.unknown:
        work.remark(Place(name, path), f"svcc does not know `{written(path)}`")
    if some.headless is not None:
        work.remark(Place(name, some.headless), "the label keeps the slice from every proxy", usual=True)
        return False
    family = _FAMILIES.get(some.address_type)
    if family is None:
        reason = f"endpoints of type {some.address_type or '(none)'} are names, and svcc asks no DNS"
        work.remark(Place(name, ("addressType",)), reason, usual=True)
        return False
    if family not in families and some.endpoints:
        reason = f"the Service has no {some.address_type} clusterIP, so nothing leads to these endpoints"
        work.remark(Place(name, ("addressType",)), reason, usual=True)
    return family in families


Key: TypeAlias = tuple[str, str]  # the port's name and protocol


def targets_of(
    work: Work, ports: Sequence[ServicePort], slices: Iterable[EndpointSlice]
) -> dict[Key, list[PortEndpoint]]:
    """Return the endpoints of each port, sorted by address. An endpoint that is in several slices counts once."""
    found: dict[Key, dict[tuple[int, int, int], PortEndpoint]] = {(port.name, port.protocol): {} for port in ports}
    for some in sorted(slices, key=lambda some: some.name):
        for key, target in _targets(work, some):
            listed = found.get(key)
            if listed is not None and _better(target, listed.get(target.key)):
                listed[target.key] = target
    return {key: [listed[place] for place in sorted(listed)] for key, listed in found.items()}


def _better(target: PortEndpoint, known: PortEndpoint | None) -> bool:
    """Whether ``target`` counts, and not ``known``, which is the same: a ready one comes first, then one with
    a node.
    """
    return known is None or (target.draining, target.node or "~") < (known.draining, known.node or "~")


def _targets(work: Work, some: EndpointSlice) -> Iterator[tuple[Key, PortEndpoint]]:
    name = f"EndpointSlice {some.name}"
    addresses = [(endpoint, _endpoint_address(work, some, endpoint)) for endpoint in some.endpoints]
    for port in some.ports:
        if port.port is None:
            work.remark(Place(name, port.path), "a port without a number leads nowhere", usual=True)
            continue
        for endpoint, address in addresses:
            if address is not None:
                node = endpoint.node.text if endpoint.node.text in work.nodes else None
                place = Place(name, endpoint.address.path)
                yield (port.name, port.protocol), PortEndpoint(address, port.port, not endpoint.ready, node, place)


def _endpoint_address(work: Work, some: EndpointSlice, endpoint: SliceEndpoint) -> ir.Address | None:
    """Return the address of an endpoint that gets new connections, or may get them when no other endpoint is left.

    Return None for others.
    """
    name = f"EndpointSlice {some.name}"
    place = Place(name, endpoint.address.path)
    for word in endpoint.more_addresses:
        reason = f"of an endpoint's addresses only the first is used, {endpoint.address.text}"
        work.remark(Place(name, word.path), reason, usual=True)
    address = address_in(endpoint.address.text)
    if address is None or address.version != _FAMILIES[some.address_type]:
        work.remark(place, f"`{endpoint.address.text}` is not an {some.address_type} address")
        return None
    if not endpoint.ready and not (endpoint.serving and endpoint.terminating):
        state = "is terminating and serves no more" if endpoint.terminating else "is not ready"
        work.remark(Place(name, (*endpoint.path, "conditions", "ready")), f"endpoint {address} {state}", usual=True)
        return None
    return address

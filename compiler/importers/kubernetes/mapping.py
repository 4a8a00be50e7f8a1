"""Maps objects of the Kubernetes API to svcc's services: pure functions, one Service at a time.

The model is kube-proxy: which Services it serves, with which endpoints of which slices, and what their conditions mean
to it. What svcc's language cannot say becomes a :class:`Remark`; nothing else is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from svcc.compiler import ir
from svcc.compiler.importers.kubernetes.endpoints import Key, PortEndpoint, targets_of, usable
from svcc.compiler.importers.kubernetes.fields import Path, written
from svcc.compiler.importers.kubernetes.objects import EndpointSlice, Service, ServicePort
from svcc.compiler.importers.kubernetes.remarks import At, Place, Remark, Work, addresses, nowhere
from svcc.compiler.importers.words import address as address_in
from svcc.compiler.source import Span


class Mapped(NamedTuple):
    """What a Service became: no services where kube-proxy does not serve it, several where its ports differ."""

    services: tuple[ir.Service, ...]
    remarks: tuple[Remark, ...]


# -- a Service --------------------------------------------------------------------------------------------------------


def services_of(
    service: Service,
    slices: Collection[EndpointSlice],
    nodes: Collection[str],
    at: At = nowhere,
    proxy: str | None = None,
) -> Mapped:
    """Map a Service, with the endpoints of its slices.

    ``slices`` are all slices of the Service, in any order; ``nodes`` the names of the nodes that the program has: an
    endpoint on any other is written without its node. ``proxy`` is the value of the label
    ``service.kubernetes.io/service-proxy-name`` of the Services that svcc serves; None: those without the label.
    """
    work, name = Work(nodes, at), f"Service {service.name}"
    if (remark := _not_served(service, proxy)) is not None:
        return Mapped((), (remark,))
    vips = dict(addresses(work, name, service.cluster_ips))
    if not vips:
        return Mapped((), tuple(work.remarks))
    families: set[int] = {address.version for address in vips}
    external = _external_ips(work, service, families)
    _remark_settings(work, service)
    ports = [port for port in service.ports if _known_protocol(work, service, port)]
    targets = targets_of(work, ports, [s for s in slices if usable(work, s, families)])
    outside = bool(external) or any(port.node_port for port in ports)
    external_traffic, internal_traffic = _traffic(work, service, slices, outside=outside)
    whole = ir.Service(
        service.name,
        vips=tuple(vips),
        external_ips=tuple(external),
        shared=tuple(external),
        allow_from=_allow_from(work, service, external),
        affinity=service.affinity,
        external_traffic=external_traffic,
        internal_traffic=internal_traffic,
        span=at(Place(name)),
        spans=_spans(at, name, vips, external),
    )
    served = tuple(_with_ports(work, name, whole, ports, targets))
    return Mapped(served, tuple(work.remarks))


def _spans(at: At, name: str, vips: Mapping[ir.Address, Path], external: Mapping[ir.Address, Path]) -> dict[str, Span]:
    places = {f"vip {address}": path for address, path in vips.items()}
    places |= {f"external-ip {address}": path for address, path in external.items()}
    return {statement: span for statement, path in places.items() if (span := at(Place(name, path)))}


_NEAR = {
    "PreferClose": ir.Traffic.PREFER_ZONE,
    "PreferSameZone": ir.Traffic.PREFER_ZONE,
    "PreferSameNode": ir.Traffic.PREFER_LOCAL,
}


def _traffic(
    work: Work, service: Service, slices: Iterable[EndpointSlice], *, outside: bool
) -> tuple[ir.Traffic, ir.Traffic]:
    """Return which endpoints serve clients from outside the cluster, and which serve those within.

    A policy (Local) overrides a preference.
    """
    name, usual = f"Service {service.name}", ir.Traffic.CLUSTER
    if service.distribution.text in _NEAR:
        usual = _NEAR[service.distribution.text]
    elif service.distribution.text:
        work.remark(Place(name, service.distribution.path), f"svcc has no preference {service.distribution.text}")
    elif _hinted_at_home(slices):
        usual = ir.Traffic.PREFER_ZONE
    elif service.topology_mode.text.lower() not in ("", "disabled"):
        work.remark(Place(name, service.topology_mode.path), "svcc does not share endpoints out among zones")
    policies = service.external_policy, service.internal_policy
    external, internal = (ir.Traffic.LOCAL if policy == "Local" else usual for policy in policies)
    return external if outside else ir.Traffic.CLUSTER, internal


def _hinted_at_home(slices: Iterable[EndpointSlice]) -> bool:
    """Whether every ready endpoint is meant for clients of its own zone, and for no others.

    kube-proxy uses hints only where all ready endpoints have some. ``prefer-zone`` cannot express hints that share
    endpoints out among zones in any other way.
    """
    ready = [endpoint for some in slices for endpoint in some.endpoints if endpoint.ready]
    return bool(ready) and all(endpoint.zone and endpoint.for_zones == (endpoint.zone,) for endpoint in ready)


def _not_served(service: Service, proxy: str | None) -> Remark | None:
    """Return a remark why nobody serves a Service. Return None where it is served."""
    place, reason = Place(f"Service {service.name}"), ""
    if service.proxy is not None and service.proxy.text != proxy:
        place = place._replace(path=service.proxy.path)
        reason = f"the label leaves it to {service.proxy.text or 'another proxy'}"
    elif service.proxy is None and proxy is not None:
        reason = f"no label service.kubernetes.io/service-proxy-name: {proxy} leaves it to svcc"
    elif service.type == "ExternalName":
        place, reason = place._replace(path=("spec", "type")), "ExternalName is an alias of DNS, and has no packets"
    elif service.headless:
        place, reason = place._replace(path=("spec", "clusterIP")), "headless: its clients ask DNS for the endpoints"
    elif not service.cluster_ips:
        reason = "it has no clusterIP yet, so kube-proxy does not serve it"
    return Remark(place, reason, usual=True) if reason else None


def _external_ips(work: Work, service: Service, families: set[int]) -> dict[ir.Address, Path]:
    """Return the external IPs and the addresses of load balancers, of the families that the Service has."""
    name, words = f"Service {service.name}", [*service.external_ips]
    for ingress in service.ingress:
        if ingress.hostname.text:
            reason = f"svcc asks no DNS: the load balancer's name {ingress.hostname.text} leads to node ports at best"
            work.remark(Place(name, ingress.hostname.path), reason)
        if ingress.ip.text and ingress.mode == "Proxy":
            work.remark(
                Place(name, ingress.ip.path), "ipMode Proxy: nodes leave this address to the load balancer", usual=True
            )
        elif ingress.ip.text:
            words.append(ingress.ip)
    found: dict[ir.Address, Path] = {}
    for address, path in addresses(work, name, words):
        if address.version not in families:
            family = f"IPv{address.version}"
            reason = f"kube-proxy serves no {family} address of a Service without an {family} clusterIP"
            work.remark(Place(name, path), reason, usual=True)
        elif address not in found:
            found[address] = path
    return found


def _allow_from(work: Work, service: Service, external: Collection[ir.Address]) -> tuple[ir.Network, ...]:
    """Return the networks from which a load balancer's clients may come.

    In svcc they apply to all clients from outside.
    """
    networks = service.source_ranges
    if not networks:
        return ()
    place = Place(f"Service {service.name}", ("spec", "loadBalancerSourceRanges"))
    balanced = {address for ingress in service.ingress if (address := address_in(ingress.ip.text)) is not None}
    node_ports = any(port.node_port for port in service.ports)
    others = ["externalIPs"] if set(external) - balanced else []
    others += ["node ports"] if node_ports else []
    if others:
        reason = (
            f"`allow-from` applies to {' and '.join(others)} too; kube-proxy filters only at load balancers' addresses"
        )
        work.remark(place, reason)
    fronts = [*external, *(address_in(word.text) for word in service.cluster_ips if node_ports)]
    for version in sorted({a.version for a in fronts if a is not None} - {network.version for network in networks}):
        work.remark(place, f"none is IPv{version}, so svcc lets in no IPv{version} client, and kube-proxy every one")
    return tuple(sorted(set(networks), key=lambda network: (network.version, network)))


def _remark_settings(work: Work, service: Service) -> None:
    """Remark on the settings of a Service that svcc's language cannot say."""
    name = f"Service {service.name}"

    def remark(key: str, reason: str) -> None:
        work.remark(Place(name, ("spec", key)), reason)

    if service.health_check_port is not None:
        reason = f"nothing answers the checks of load balancers at node port {service.health_check_port}"
        remark("healthCheckNodePort", reason)
    if service.publish_not_ready:
        remark("publishNotReadyAddresses", "endpoints count as the slices say at this moment, ready or not")
    if service.load_balancer_ip.text and service.load_balancer_ip.text not in {i.ip.text for i in service.ingress}:
        remark("loadBalancerIP", f"{service.load_balancer_ip.text} is asked for, and no load balancer has it yet")
    for path in service.unknown:
        work.remark(Place(name, path), f"svcc does not know `{written(path)}`")


_PROTOCOLS = {"TCP": ir.Protocol.TCP, "UDP": ir.Protocol.UDP, "SCTP": ir.Protocol.SCTP}


def _known_protocol(work: Work, service: Service, port: ServicePort) -> bool:
    if port.protocol in _PROTOCOLS:
        return True
    work.remark(Place(f"Service {service.name}", (*port.path, "protocol")), f"svcc has no protocol {port.protocol}")
    return False


# -- ports ------------------------------------------------------------------------------------------------------------


def _with_ports(
    work: Work, name: str, whole: ir.Service, ports: Sequence[ServicePort], targets: dict[Key, list[PortEndpoint]]
) -> Iterator[ir.Service]:
    """Return the service, or one service for each port where the ports lead to different endpoints, or one port to
    different target ports.

    A service in svcc has one list of endpoints for all ports, and endpoints have ports of their own only where there is
    a single port. The service of one port is called ``namespace/name/port``, a name that no Service has.
    """
    if len(ports) > 1 and not _same_endpoints([targets[port.name, port.protocol] for port in ports]):
        for port in ports:
            yield _service(work, name, replace(whole, name=f"{whole.name}/{port.name}"), [port], targets)
    elif ports:
        yield _service(work, name, whole, ports, targets)
    else:
        work.remark(Place(name, ("spec", "ports")), "it has no ports that svcc could serve")


def _same_endpoints(lists: Sequence[Sequence[PortEndpoint]]) -> bool:
    """Whether all lists have the same endpoints, and each list a single port."""
    endpoints = [[(target.address, target.draining, target.node) for target in listed] for listed in lists]
    return all(some == endpoints[0] for some in endpoints) and all(
        len({target.port for target in listed}) <= 1 for listed in lists
    )


def _service(
    work: Work, name: str, whole: ir.Service, ports: Sequence[ServicePort], targets: dict[Key, list[PortEndpoint]]
) -> ir.Service:
    listed = targets[ports[0].name, ports[0].protocol]
    mapped = [_port(work, name, port, targets[port.name, port.protocol]) for port in ports]
    usual = mapped[0].target
    endpoints = tuple(
        ir.Endpoint(
            target.address,
            port=None if len(ports) > 1 or target.port == usual else target.port,
            weight=0 if target.draining else 1,
            node=target.node,
            span=work.at(target.place),
        )
        for target in listed
    )
    draining = any(target.draining for target in listed)
    when_empty = ir.WhenEmpty.DRAINING if draining else ir.WhenEmpty.REJECT
    return replace(whole, ports=tuple(mapped), endpoints=endpoints, when_empty=when_empty)


def _port(work: Work, name: str, port: ServicePort, listed: Sequence[PortEndpoint]) -> ir.Port:
    """Return the port, with the target port that most of its endpoints have (the lowest of several)."""
    counts = Counter(target.port for target in listed)
    target = min(counts, key=lambda number: (-counts[number], number), default=port.target or port.port)
    node_port = None if port.node_port is None else ir.PortRange(port.node_port, port.node_port)
    keys = {"ports": "port", "nodeport": "nodePort"} if node_port else {"ports": "port"}
    spans = {key: span for key, member in keys.items() if (span := work.at(Place(name, (*port.path, member))))}
    return ir.Port(
        port.name or None,
        _PROTOCOLS[port.protocol],
        ir.PortRange(port.port, port.port),
        target,
        node_port,
        work.at(Place(name, port.path)),
        spans,
    )

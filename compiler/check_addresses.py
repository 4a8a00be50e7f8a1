"""Checks of addresses on the finished IR: each address is of a kind that can serve, and has one role only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from svcc.compiler import ir
from svcc.compiler.address_kinds import unable, unable_within
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, related
from svcc.compiler.read_addresses import is_spelling, numbers, versions
from svcc.compiler.source import Span

_WRITTEN = re.compile(r"[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*")


def check_addresses(program: ir.Program) -> Iterator[Diagnostic]:
    """Return what is wrong with addresses, within each service and between services."""
    yield from _check_kinds(program)
    yield from _check_networks(program)
    yield from _check_roles(program)
    yield from _check_shared(program)
    yield from _check_announced(program)


def _are_plain(addresses: list[ir.Address], edges: frozenset[int]) -> bool:
    """Whether all addresses can serve and none is at the edge of a network. False where it takes a closer look."""
    if versions(addresses) != {4}:
        return not addresses
    found = numbers(addresses)
    first, last = min(found) >> 24, max(found) >> 24
    return first > 0 and last < 224 and (last < 127 or first > 127) and edges.isdisjoint(found)


def _check_kinds(program: ir.Program) -> Iterator[Diagnostic]:
    def bad(what: str, address: ir.Address, span: Span | None) -> Iterator[Diagnostic]:
        kind = unable(address)
        if kind is not None:
            yield Diagnostic(Code.ADDRESS_KIND, f"{what} {_text(address, span)} is {kind}", span)

    edges = _edges(program.cluster)
    edge_numbers = frozenset(numbers(edges))  # a sieve: hashing an address takes ten times as long as this comparison
    for node in program.nodes:
        for address in node.addresses:
            yield from bad("the node's", address, node.spans.get(f"address {address}", node.span))
    for service in program.services:
        for statement, addresses in (
            ("vip", service.vips),
            ("external-ip", service.external_ips),
            ("snat", service.snat),
        ):
            for address in addresses:
                yield from bad(f"{statement}", address, service.spans.get(f"{statement} {address}", service.span))
        if _are_plain([endpoint.address for endpoint in service.endpoints], edge_numbers):
            continue
        for endpoint in service.endpoints:
            if (kind := unable(endpoint.address)) is not None:
                hint = "write the address that it has on its network" if endpoint.address.is_loopback else None
                message = f"endpoint {_text(endpoint.address, endpoint.span)} is {kind}"
                yield Diagnostic(Code.ADDRESS_KIND, message, endpoint.span or service.span, hint)
            if int(endpoint.address) in edge_numbers and endpoint.address in edges:
                message = f"endpoint {endpoint.address} is {edges[endpoint.address]}"
                yield Diagnostic(Code.ADDRESS_KIND, message, endpoint.span or service.span)


def _text(address: ir.Address, span: Span | None) -> str:
    """Return the address as the source has it at its place, else as Python 3.13 and later write it.

    Earlier releases write an embedded IPv4 address in hexadecimal.
    """
    there = None if span is None else _WRITTEN.search(span.source.text, span.start, span.end)
    if there is not None and is_spelling(there.group(), address):
        return there.group()
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(address) if mapped is None else f"::ffff:{mapped}"


def _check_networks(program: ir.Program) -> Iterator[Diagnostic]:
    """Check the cluster's networks and those that services name: some can match no packet.

    No packet comes from or goes to an IPv4-mapped address (RFC 6890 2.2.3) or the unspecified address (RFC 1122
    3.2.1.3, RFC 4291 2.5.2), so a network of these alone would match nothing.
    """
    cluster = program.cluster
    lists: list[tuple[str, tuple[ir.Network, ...], Mapping[str, Span], Span | None]] = [
        ("pods", cluster.pods, cluster.spans, None),
        ("services", cluster.services, cluster.spans, None),
        ("nodeport-addresses", cluster.nodeport_addresses, cluster.spans, None),
        *(("allow-from", one.allow_from, one.spans, one.span) for one in program.services if one.allow_from),
        *(("masquerade", one.masquerade_from, one.spans, one.span) for one in program.services if one.masquerade_from),
    ]
    for statement, networks, spans, fallback in lists:
        for network in networks:
            mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
            if mapped is not None and network.prefixlen >= 96:
                span = spans.get(f"{statement} {network}") or spans.get(statement, fallback)
                meant = IPv4Network((mapped, network.prefixlen - 96))
                message = (
                    f"{statement} ::ffff:{mapped}/{network.prefixlen} is an IPv4 network written as IPv6: write {meant}"
                )
                yield Diagnostic(Code.ADDRESS_KIND, message, span)
                continue
            # nodeport-addresses has a warning of its own for each network that can serve nothing
            if statement == "nodeport-addresses":
                continue
            if network.prefixlen == network.max_prefixlen and network.network_address.is_unspecified:
                span = spans.get(f"{statement} {network}") or spans.get(statement, fallback)
                message = f"{statement} {network} is the unspecified address, which no packet has"
                hint = f"every address is written {network.network_address}/0"
                yield Diagnostic(Code.ADDRESS_KIND, message, span, hint)
            elif statement == "services" and network.prefixlen and (others := unable_within(network)) is not None:
                span = spans.get(f"{statement} {network}") or spans.get(statement, fallback)
                message = f"services {network} has {others} in it, and what is sent to these would be rejected"
                hint = "name the networks that hold service addresses alone"
                yield Diagnostic(Code.ADDRESS_KIND, message, span, hint)


def _edges(cluster: ir.Cluster) -> dict[ir.Address, str]:
    """Return the addresses in pod networks that no pod can have, and why (RFC 1122 3.2.1.3; RFC 3021 exempts a /31)."""
    edges: dict[ir.Address, str] = {}
    for network in cluster.pods:
        if isinstance(network, IPv4Network) and network.prefixlen < 31:
            edges[network.network_address] = f"the network address of pods {network}"
            edges[network.broadcast_address] = f"the broadcast address of pods {network}"
    return edges


def _check_roles(program: ir.Program) -> Iterator[Diagnostic]:
    """Check that each service address has one role: it is no endpoint, not both vip and external-ip, and a node's
    address only where it is shared.
    """
    roles: dict[ir.Address, tuple[str, Span | None]] = {}
    for node in program.nodes:
        for address in node.addresses:
            known = roles.get(address)
            span = node.spans.get(f"address {address}", node.span)
            if known is not None:
                yield _two_roles(address, known, f"an address of node {node.name}", span)
            roles[address] = f"an address of node {node.name}", span
    frontal: dict[ir.Address, tuple[str, Span | None]] = {}
    for service in program.services:
        for statement, addresses in (("vip", service.vips), ("external-ip", service.external_ips)):
            for address in addresses:
                span = service.spans.get(f"{statement} {address}", service.span)
                role = f"the {statement} of {service.name}"
                known = (None if address in service.shared else roles.get(address)) or frontal.get(address)
                if known is not None and not known[0].startswith(f"the {statement} "):
                    yield _two_roles(address, known, role, span)
                frontal.setdefault(address, (role, span))
    frontal_numbers = frozenset(numbers(frontal))
    for service in program.services:
        if frontal_numbers.isdisjoint(numbers([endpoint.address for endpoint in service.endpoints])):
            continue
        for endpoint in service.endpoints:
            known = frontal.get(endpoint.address)
            if known is not None:
                role = f"an endpoint of {service.name}"
                yield _two_roles(endpoint.address, (role, endpoint.span or service.span), known[0], known[1])


def _two_roles(address: ir.Address, known: tuple[str, Span | None], role: str, span: Span | None) -> Diagnostic:
    place = related(f"{known[0]}, declared here", known[1])
    message = f"{address} cannot be both {known[0]} and {role}"
    hint = "a service address leads only to services"
    if known[0].startswith("an address of node") and role.startswith("an address of node"):
        hint = "each node has addresses of its own"
    if known[0].startswith("an address of node") and role.startswith(("the vip of", "the external-ip of")):
        statement = role.split()[1]
        hint = f"to take only the declared ports, and leave the others to the machine: {statement} {address} shared"
    return Diagnostic(Code.ADDRESS_ROLE, message, span, hint, place)


def _check_shared(program: ir.Program) -> Iterator[Diagnostic]:
    """Check that all services with one address agree whether it is shared: that decides about its other ports."""
    first: dict[ir.Address, ir.Service] = {}
    if not any(service.shared for service in program.services):
        return
    for service in program.services:
        for address in service.addresses:
            other = first.setdefault(address, service)
            if (address in service.shared) is (address in other.shared):
                continue
            shared, alone = (service, other) if address in service.shared else (other, service)
            message = f"{address} is shared in service {shared.name}, and not in service {alone.name}"
            place = related(f"service {other.name} has it here", _address_span(other, address))
            hint = "write `shared` behind it in both, or in neither"
            yield Diagnostic(Code.SHARED_BY_SOME, message, _address_span(service, address), hint, place)


def _check_announced(program: ir.Program) -> Iterator[Diagnostic]:
    """Check that who announces an address holds it; with ``shared`` and ``vip-device none``, somebody else does."""
    device = program.cluster.spans.get("vip-device")
    for service in program.services:
        if not service.announce:
            continue
        span = service.spans.get("announce", service.span)
        if program.cluster.vip_device is None:
            message = f"service {service.name} announces its addresses, and `vip-device none` puts them on no device"
            place = related("declared here", device)
            yield Diagnostic(Code.ANNOUNCE, message, span, "leave one of the two out", place)
        for address in service.shared:
            message = f"service {service.name} announces {address}, which is shared: somebody else holds it"
            place = related("shared here", _address_span(service, address))
            hint = "only the machine that holds an address can announce it"
            yield Diagnostic(Code.ANNOUNCE, message, span, hint, place)
        if not service.addresses:
            message = f"service {service.name} announces addresses, and has none"
            yield Diagnostic(Code.ANNOUNCE, message, span, "give it a vip or an external-ip")


def _address_span(service: ir.Service, address: ir.Address) -> Span | None:
    statement = "vip" if address in service.vips else "external-ip"
    return service.spans.get(f"{statement} {address}", service.span)

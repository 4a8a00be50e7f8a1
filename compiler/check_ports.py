"""Checks of ports on the finished IR: names are distinct, and neither ports of an address nor node ports clash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count
from typing import TypeVar

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, related
from svcc.compiler.source import Span, reading_place

K = TypeVar("K")


def check_ports(program: ir.Program) -> Iterator[Diagnostic]:
    """Return what is wrong with ports: names within a service, and ports that several services declare."""
    for service in program.services:
        yield from _check_names(service)
    yield from _check_clashes(program)
    yield from _check_nodeports(program)


def _check_names(service: ir.Service) -> Iterator[Diagnostic]:
    seen: dict[str, ir.Port] = {}
    unnamed = len(service.ports) > 1 and any(port.name is None for port in service.ports)
    names = _names(service) if unnamed else []
    for i, port in enumerate(service.ports):
        if port.name is None:
            if names:
                rest = " …" if {"target", "nodeport"} & port.spans.keys() else ""
                hint = f"name it: port {names[i]} {port.ports}/{port.protocol}{rest}"
                message = f"service {service.name} has several ports, and this one has no name"
                yield Diagnostic(Code.PORT_NAME, message, port.spans.get("ports", port.span), hint)
        elif port.name in seen:
            message = f"service {service.name} has two ports named `{port.name}`"
            place = related("first declared here", seen[port.name].spans.get("name"))
            yield Diagnostic(Code.PORT_NAME, message, port.spans.get("name", port.span), related=place)
        else:
            seen[port.name] = port


def _names(service: ir.Service) -> list[str]:
    """Return a name for each port: its own, and for a port without one such a name that all are distinct."""
    from svcc.compiler.slips.ports import NUMBERS  # needed only for programs with errors

    usual = {number: name for name, number in reversed(NUMBERS.items())}
    plain = [usual.get(port.ports.first, f"p{port.ports.first}") for port in service.ports]
    uses = Counter(plain)
    taken = {port.name for port in service.ports}
    names: list[str] = []
    for port, name in zip(service.ports, plain, strict=True):
        tried = chain((name,) * (uses[name] == 1), (f"{name}-{port.protocol}",), (f"{name}-{i}" for i in count(2)))
        names.append(port.name or next(one for one in tried if one not in taken))
        taken.add(names[-1])
    return names


@dataclass(frozen=True, slots=True)
class _Claim:
    """The ports that one service takes."""

    ports: ir.PortRange
    service: ir.Service
    span: Span | None


def _clashes(claims: dict[K, list[_Claim]]) -> Iterator[tuple[K, _Claim, _Claim]]:
    """Return pairs of claims (first, second) whose ports overlap, each with its key."""
    for key, listed in claims.items():
        if len(listed) == 1:
            continue
        reach: _Claim | None = None
        for claim in sorted(listed, key=lambda claim: claim.ports):
            if reach is not None and reach.ports.overlaps(claim.ports):
                first, second = sorted((reach, claim), key=lambda one: reading_place(one.span or one.service.span))
                yield key, first, second
            if reach is None or claim.ports.last > reach.ports.last:
                reach = claim


def _check_clashes(program: ir.Program) -> Iterator[Diagnostic]:
    claims: dict[tuple[ir.Address, ir.Protocol], list[_Claim]] = {}
    for service in program.services:
        for port in service.ports:
            claim = _Claim(port.ports, service, port.spans.get("ports", port.span))
            for address in (*service.vips, *service.external_ips):
                claims.setdefault((address, port.protocol), []).append(claim)
    for (address, protocol), first, second in _clashes(claims):
        whose = "twice" if first.service is second.service else f"by {first.service.name} and {second.service.name}"
        message = f"{address} port {_overlap(first, second)}/{protocol} is served {whose}"
        place = related(f"{first.service.name} serves it here", first.span)
        yield Diagnostic(Code.PORT_CLASH, message, second.span or second.service.span, related=place)


def _check_nodeports(program: ir.Program) -> Iterator[Diagnostic]:
    allowed = program.cluster.nodeports
    claims: dict[ir.Protocol, list[_Claim]] = {}
    for service in program.services:
        for port in service.ports:
            if port.nodeport is None:
                continue
            span = port.spans.get("nodeport", port.span) or service.span
            claims.setdefault(port.protocol, []).append(_Claim(port.nodeport, service, span))
            if port.nodeport.first not in allowed or port.nodeport.last not in allowed:
                message = f"node port {port.nodeport} is outside the cluster's node ports, {allowed}"
                place = related("declared here", program.cluster.spans.get("nodeports"))
                hint = "the cluster's `nodeports` says which ports a node gives to services"
                yield Diagnostic(Code.NODEPORT_RANGE, message, span, hint, place)
    yield from _check_own_addresses(program, claims)
    for protocol, first, second in _clashes(claims):
        message = f"node port {_overlap(first, second)}/{protocol} is taken by {first.service.name}"
        yield Diagnostic(Code.NODEPORT_CLASH, message, second.span, related=related("taken here", first.span))


def _check_own_addresses(program: ir.Program, nodeports: dict[ir.Protocol, list[_Claim]]) -> Iterator[Diagnostic]:
    """Check the node's own addresses that services share: they serve node ports too, and a port has one service."""
    own = {address for node in program.nodes for address in node.addresses}
    networks = program.cluster.nodeport_addresses
    for service in program.services:
        for address in service.shared:
            if address not in own or not (not networks or any(address in network for network in networks)):
                continue
            for port in service.ports:
                for claim in nodeports.get(port.protocol, ()):
                    if claim.ports.overlaps(port.ports):
                        here = _Claim(port.ports, service, port.spans.get("ports", port.span) or service.span)
                        ports = _overlap(here, claim)
                        message = f"{address} port {ports}/{port.protocol} is a node port of {claim.service.name} too"
                        place = related("the node port", claim.span)
                        yield Diagnostic(Code.PORT_CLASH, message, here.span, related=place)


def _overlap(first: _Claim, second: _Claim) -> ir.PortRange:
    return ir.PortRange(max(first.ports.first, second.ports.first), min(first.ports.last, second.ports.last))

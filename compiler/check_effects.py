"""Warnings of settings that have no effect where they stand: somebody believes that they have one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Severity
from svcc.compiler.source import Span

#: Schedulers that give all endpoints the same share whatever their weights are, each with one that follows weights.
_EVEN = {ir.Scheduler.RR: "wrr", ir.Scheduler.LC: "wlc", ir.Scheduler.DH: "sh"}


class _Setting(NamedTuple):
    """A setting of a service, and the place where it is written."""

    name: str
    span: Span | None
    why: str | None  # why it has no effect on this service; None: it has one
    hint: str = ""


def check_effects(program: ir.Program) -> Iterator[Diagnostic]:
    """Return a warning for each setting without effect. What stands in ``defaults``, a let or a pool is for several
    services, and is without effect where no one of them has any of it.
    """
    idle = {service.name: [one for one in _settings(service) if one.why] for service in program.services}
    if not any(idle.values()):
        return
    used = {one[:2] for service in program.services for one in _settings(service) if not one.why and one.span}
    told: set[tuple[str, Span | None]] = set()
    for service in program.services:
        kinds: set[str] = set()
        for one in idle[service.name]:
            if one[:2] in used or one.name in kinds or (one.span and one[:2] in told):
                continue
            kinds.add(one.name)
            told.add(one[:2])
            message = f"{one.name} has no effect on service {service.name}: {one.why}"
            yield Diagnostic(Code.NO_EFFECT, message, one.span or service.span, one.hint, severity=Severity.WARNING)


def _settings(service: ir.Service) -> Iterator[_Setting]:
    """Yield the settings that may have no effect."""
    outside = bool(service.external_ips) or any(port.nodeport for port in service.ports)
    if service.allow_from:
        why = None if outside else "it restricts external-ips and node ports, and the service has neither"
        yield _Setting("`allow-from`", service.spans.get("allow-from"), why, "leave it out: vips are open to everyone")
    if service.external_traffic is not ir.Traffic.CLUSTER:
        why = None if outside else "it is for external-ips and node ports, and the service has neither"
        hint = "leave it out, or write `traffic internal` for the vips"
        yield _Setting("`traffic external`", service.spans.get("traffic external"), why, hint)
    if service.internal_traffic is not ir.Traffic.CLUSTER:
        why = None if service.vips else "it is for vips, and the service has none"
        hint = "leave it out, or write `traffic external` for external-ips and node ports"
        yield _Setting("`traffic internal`", service.spans.get("traffic internal"), why, hint)
    yield from _weights(service)
    yield from _sources(service)


def _weights(service: ir.Service) -> Iterator[_Setting]:
    other = None if service.scheduler is None else _EVEN.get(service.scheduler)
    why = None if other is None else f"scheduler {service.scheduler} takes no notice of weights"
    for endpoint in service.endpoints:
        if endpoint.weight > 1:
            yield _Setting("`weight`", endpoint.span, why, f"use scheduler {other}, or leave the weight out")


def _sources(service: ir.Service) -> Iterator[_Setting]:
    for address in service.snat:
        family = f"IPv{address.version}"
        why = None if address.version in _translated(service) else f"no {family} client reaches an {family} endpoint"
        hint = f"name addresses of the families of the service, or leave {address} out"
        yield _Setting(f"{family} `snat`", service.spans.get(f"snat {address}"), why, hint)


def _translated(service: ir.Service) -> set[int]:
    """Return the families in which clients may reach endpoints."""
    ends: set[int] = {endpoint.address.version for endpoint in service.endpoints}
    ends |= {network.version for registered in service.registered for network in registered.networks}
    if any(port.nodeport for port in service.ports):
        return ends
    return ends & {address.version for address in service.addresses}

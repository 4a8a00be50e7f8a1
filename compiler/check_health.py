"""Checks of ``check`` statements on the finished IR: whether an endpoint can be asked as they say."""

from __future__ import annotations

from collections.abc import Iterator

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.health_checks import protocol, service_ports
from svcc.compiler.suggest import one_of


def check_health(service: ir.Service) -> Iterator[Diagnostic]:
    """Return what is wrong with a service's check, its times and its ports."""
    check = service.check
    if check is None:
        return
    span = service.spans.get("check", service.span)
    if check.every < check.timeout:
        message = f"a check every {seconds_text(check.every)} cannot wait {seconds_text(check.timeout)} for an answer"
        hint = "let `timeout` be at most `every`"
        place = service.spans.get("check every", service.spans.get("check timeout", span))
        yield Diagnostic(Code.CHECK, message, place, hint)
    if check.port is None and service.ports:
        ports = service_ports(service, check.kind)
        if not ports:
            message = f"service {service.name} has no {protocol(check.kind)} port that `check {check.kind}` could ask"
            yield Diagnostic(Code.CHECK, message, span, f"say which: check {check.kind} 8080")
        elif len(ports) > 1:
            message = f"`check {check.kind}` may mean several ports of service {service.name}"
            asked = one_of([f"check {check.kind} {port}" for port in ports[:4]])
            yield Diagnostic(Code.CHECK, message, span, f"say which: {asked}")


def seconds_text(seconds: float) -> str:
    """Return a time as the language writes it: ``5s``, ``500ms``."""
    return f"{seconds:.0f}s" if float(seconds).is_integer() else f"{seconds * 1000:.0f}ms"

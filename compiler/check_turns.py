"""Checks of what decides which endpoints serve first (backups, nodes, zones): warnings where it makes no difference."""

from __future__ import annotations

from collections.abc import Iterator

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Related, Severity
from svcc.compiler.suggest import one_of


def check_turns(program: ir.Program) -> Iterator[Diagnostic]:
    """Return a warning for each service whose backups, or preferred nodes and zones, make no difference."""
    nowhere = [node for node in program.nodes if node.zone is None]
    for service in program.services:
        yield from _check_backups(service)
        yield from _check_nearness(service, nowhere)


def _check_backups(service: ir.Service) -> Iterator[Diagnostic]:
    """Warn where all endpoints of a family are backups: they stand in for nothing, and serve like any others."""
    if True not in [endpoint.backup for endpoint in service.endpoints]:
        return
    for version in (4, 6):
        here = [endpoint for endpoint in service.endpoints if endpoint.address.version == version]
        if here and all(endpoint.backup for endpoint in here):
            message = (
                f"every IPv{version} endpoint of service {service.name} is a backup: there is nothing to stand in for"
            )
            hint = "leave `backup` out, or list the endpoints that come first"
            span = here[0].span or service.span
            yield Diagnostic(Code.BACKUP_ALONE, message, span, hint, severity=Severity.WARNING)


def _check_nearness(service: ir.Service, nowhere: list[ir.Node]) -> Iterator[Diagnostic]:
    for clients, traffic in (("external", service.external_traffic), ("internal", service.internal_traffic)):
        if traffic not in (ir.Traffic.PREFER_LOCAL, ir.Traffic.PREFER_ZONE):
            continue
        span = service.spans.get(f"traffic {clients}", service.span)
        if service.endpoints and all(endpoint.node is None for endpoint in service.endpoints):
            message = f"no endpoint of service {service.name} says where it runs: none is preferred"
            hint = "say it behind each endpoint: 100.64.0.9 on node-a"
            yield Diagnostic(Code.NEARNESS, message, span, hint, severity=Severity.WARNING)
        elif traffic is ir.Traffic.PREFER_ZONE and nowhere:
            names = one_of([node.name for node in nowhere], "and")
            have = f"node {names} has" if len(nowhere) == 1 else f"nodes {names} have"
            message = f"{have} no zone, so that `prefer-zone` means `prefer-local` there"
            related = tuple(Related("declared here", node.span) for node in nowhere[:3] if node.span is not None)
            hint = "say where the machine stands: zone eu-1a"
            yield Diagnostic(Code.NEARNESS, message, span, hint, related, Severity.WARNING)

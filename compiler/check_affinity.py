"""Checks of ``affinity … per service`` on the finished IR: all that the service listens on has to have the same
endpoints.
"""

from __future__ import annotations

from collections.abc import Iterator

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic


def check_affinity(service: ir.Service) -> Iterator[Diagnostic]:
    """Return an error where a service remembers clients for all its addresses, but their endpoints differ."""
    if service.affinity is None or not service.affinity_per_service or not service.vips:
        return
    outside = service.external_ips or any(port.nodeport for port in service.ports)
    if outside and service.external_traffic is not service.internal_traffic:
        message = (
            f"clients of service {service.name} may have other endpoints through its vips than through its "
            f"{'external-ips' if service.external_ips else 'node ports'}, and `per service` remembers one for both"
        )
        hint = "let `traffic external` and `traffic internal` say the same, or make two services of it"
        span = service.spans.get("affinity per service", service.spans.get("affinity", service.span))
        yield Diagnostic(Code.ONE_MEMORY, message, span, hint)

"""Checks of ``snat`` on the finished IR: the kernel takes one address, or one range, of each family."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic


def check_snat(service: ir.Service) -> Iterator[Diagnostic]:
    """Return an error where the source addresses of a service are not one range in each family."""
    for version in (4, 6) if service.snat else ():
        own = sorted((address for address in service.snat if address.version == version), key=int)
        gap = next(((a, b) for a, b in pairwise(own) if int(b) != int(a) + 1), None)
        if gap is not None:
            message = (
                f"the IPv{version} addresses of `snat` do not follow one another: {gap[1]} is not next to {gap[0]}"
            )
            span = service.spans.get(f"snat {gap[1]}", service.spans.get("snat", service.span))
            yield Diagnostic(Code.SOURCES, message, span, f"name one address or one range: {own[0]}-{own[-1]}")

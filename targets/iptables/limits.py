"""What the iptables target refuses beyond its feature table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.frontends import frontends, port_label, ranks
from svcc.targets.iptables.names import PREFIX, Names
from svcc.targets.iptables.ranges import SHIFTED_PORTS, SHIFTED_RULES, spread_ranges
from svcc.targets.iptables.weights import BUCKETS, units

#: The most rules of one weighted round robin. Each is one turn.
TURNS = 1024

_SMALLER = "choose weights that, in lowest terms, add up to at most"


def limits(program: ir.Program) -> Iterator[Diagnostic]:
    """Return what the target refuses because of the length of a name, a scheduler, or a range of ports."""
    yield from _prefix(program.cluster)
    for service in program.services:
        yield from _scheduler(service)
        yield from _ranges(service)
    if too_many := _shifted_rules(program):
        yield too_many
    else:
        yield from _chain_names(program)


def _prefix(cluster: ir.Cluster) -> Iterator[Diagnostic]:
    if len(cluster.prefix) > PREFIX:
        yield Diagnostic(
            Code.NAME_TOO_LONG,
            f"a prefix of {len(cluster.prefix)} characters leaves no room in the names of iptables chains",
            cluster.spans.get("prefix"),
            hint=f"use at most {PREFIX} characters",
        )


def _chain_names(program: ir.Program) -> Iterator[Diagnostic]:
    """Check that no two chains have one name: names that were cut may become equal."""
    names = Names(program.cluster.prefix)
    taken: dict[str, tuple[ir.Service, ir.Port]] = {}
    for service in program.services:
        for label, port in _labels(program, service):
            name = names.balance(label)
            other, other_port = taken.setdefault(name, (service, port))
            if other is not service or other_port != port:
                yield Diagnostic(
                    Code.NAME,
                    f"a port of service {service.name} and one of service {other.name} would share the chain {name}",
                    port.span or service.span,
                    hint="rename one of the ports",
                )
                return


def _labels(program: ir.Program, service: ir.Service) -> Iterator[tuple[str, ir.Port]]:
    """Return the words after which the chains of a service are named, with repetitions where several frontends share
    them. They are the same on all nodes.
    """
    if all(len(port.ports) == 1 for port in service.ports):
        yield from ((port_label(service, port), port) for port in service.ports)
        return
    for frontend in spread_ranges(frontends(replace(program, services=(service,)), None)):
        yield frontend.label, frontend.port


def _ranges(service: ir.Service) -> Iterator[Diagnostic]:
    for port in service.ports:
        if len(port.ports) > SHIFTED_PORTS and _is_shifted(service, port):
            message = f"{len(port.ports)} ports with other numbers at the endpoints take a chain each on iptables"
            hint = f"at most {SHIFTED_PORTS}, or let the endpoints listen on the service's own ports"
            yield Diagnostic(Code.TARGET_LIMIT, message, port.span or service.span, hint)


def _is_shifted(service: ir.Service, port: ir.Port) -> bool:
    """Whether the ports of a range may have other numbers at the endpoints."""
    if len(port.ports) == 1:
        return False
    shifted = port.target != port.ports.first or port.nodeport not in (None, port.targets)
    return shifted or any(endpoint.port is not None for endpoint in service.endpoints)


def _shifted_rules(program: ir.Program) -> Diagnostic | None:
    """Return the error where shifted ranges need too many rules: a few words of a program may ask for a million."""
    left = SHIFTED_RULES
    for service in program.services:
        external = 1 + len(service.masquerade_from) + len(service.allow_from)
        for port in service.ports:
            if _is_shifted(service, port):
                left -= len(port.ports) * (len(service.addresses) + 2 * external + 2 * len(service.endpoints))
            if left < 0:
                return Diagnostic(
                    Code.TARGET_LIMIT,
                    f"with port {port.ports} of service {service.name}, ranges with other numbers at the ends take "
                    f"more than {SHIFTED_RULES:,} rules: for each port one at each address and for each endpoint",
                    port.spans.get("ports", port.span) or service.span,
                    "make the range smaller, let the endpoints listen on the service's own ports, or use nft",
                )
    return None


def _scheduler(service: ir.Service) -> Iterator[Diagnostic]:
    """Check each family by itself, with all its endpoints: a node that has only some of them needs no more rules."""
    if service.scheduler not in (ir.Scheduler.WRR, ir.Scheduler.SH):
        return
    span = service.spans.get("scheduler", service.span)
    for version in (4, 6):
        here = tuple(e for e in service.endpoints if e.address.version == version)
        total = max(sum(units([e.weight for e in rank])) for rank in ranks(here, service.when_empty))
        match service.scheduler:
            case ir.Scheduler.WRR if total > TURNS:
                message = f"under wrr the weights of service {service.name} take {total} turns, each a rule of its own"
                yield Diagnostic(Code.TARGET_LIMIT, message, span, f"{_SMALLER} {TURNS}, or use scheduler random")
            case ir.Scheduler.SH if version == 6 and total > 1 and _has_ipv6(service):
                # xt_cluster hashes the first of an address's four words.
                message = f"iptables hashes only the first 32 bits of an IPv6 client's address (service {service.name})"
                yield Diagnostic(Code.UNSUPPORTED, message, span, "use target nft or ipvs, or another scheduler")
            case ir.Scheduler.SH if total > BUCKETS:
                message = (
                    f"under sh the weights of service {service.name} add up to {total}, and a hash has {BUCKETS} values"
                )
                yield Diagnostic(Code.TARGET_LIMIT, message, span, f"{_SMALLER} {BUCKETS}, or use target nft or ipvs")


def _has_ipv6(service: ir.Service) -> bool:
    addresses = (*service.vips, *service.external_ips)
    return any(a.version == 6 for a in addresses) or any(port.nodeport is not None for port in service.ports)

"""Removes from an imported program what svcc refuses, so that the rest passes ``svcc check``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic, Severity
from svcc.compiler.importers.interface import Imported, Note
from svcc.compiler.source import Span

#: A function that returns what is wrong with a program.
Findings = Callable[[ir.Program], Iterable[Diagnostic]]


def sound(imported: Imported, findings: Findings) -> Imported:
    """Return the program without the endpoints, addresses, ports, checks, nodes and services that an error points at.

    There is a note for each, with the error's words. Removing something may cause or resolve other errors, so the rest
    is checked again. Errors: ValueError, where an error points at nothing in the program, which is a fault of the
    importer.
    """
    program, notes = imported.program, [*imported.notes]
    while errors := [d for d in findings(program) if d.severity is Severity.ERROR]:
        culprits = {d.span: d for d in errors if d.span is not None}
        reduced = _without(program, frozenset(culprits))
        if reduced == program:
            raise ValueError(f"nothing of the program is at fault for: {errors[0].message}")
        program = reduced
        notes += [Note(span, _reason(diagnostic)) for span, diagnostic in culprits.items()]
    return replace(imported, program=program, notes=tuple(sorted(set(notes), key=_place)))


def _place(note: Note) -> tuple[str, int, int, str]:
    return note.span.source.name, note.span.start, note.span.end, note.reason


def _reason(diagnostic: Diagnostic) -> str:
    others = [related.span for related in diagnostic.related]
    if not others:
        return diagnostic.message
    line, column = others[0].source.position(others[0].start)
    return f"{diagnostic.message} (see {others[0].source.name}:{line}:{column})"


def _without(program: ir.Program, culprits: frozenset[Span]) -> ir.Program:
    nodes = tuple(node for node in program.nodes if not {node.span, *node.spans.values()} & culprits)
    gone = {node.name for node in program.nodes} - {node.name for node in nodes}
    services = tuple(_services_without(program.services, culprits, gone))
    return replace(program, nodes=nodes, services=services)


def _services_without(
    services: Iterable[ir.Service], culprits: frozenset[Span], gone: set[str]
) -> Iterator[ir.Service]:
    for service in services:
        reduced = service_without(service, culprits)
        if reduced is not None:
            endpoints = tuple(replace(e, node=None) if e.node in gone else e for e in reduced.endpoints)
            yield replace(reduced, endpoints=endpoints) if gone else reduced


def service_without(service: ir.Service, culprits: frozenset[Span]) -> ir.Service | None:
    """Return what is left of the service. Return None where the rest would not serve, or would mean something else."""
    if service.span in culprits:
        return None
    gone = {statement for statement, span in service.spans.items() if span in culprits}
    addresses = {a for a in service.addresses if f"vip {a}" in gone or f"external-ip {a}" in gone}
    asked = {statement for statement in gone if statement.startswith("check")}
    if not addresses and any(not statement.startswith(("vip ", "external-ip ")) for statement in gone - asked):
        return None
    ports = tuple(port for port in service.ports if not {port.span, *port.spans.values()} & culprits)
    reduced = replace(
        service,
        vips=tuple(a for a in service.vips if a not in addresses),
        external_ips=tuple(a for a in service.external_ips if a not in addresses),
        shared=tuple(a for a in service.shared if a not in addresses),
        check=None if asked else service.check,
        ports=ports,
        endpoints=tuple(endpoint for endpoint in service.endpoints if endpoint.span not in culprits),
    )
    reachable = reduced.addresses or any(port.nodeport for port in ports)
    return reduced if ports and reachable else None

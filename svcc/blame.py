"""Find the service, and its place in the text, that an object comes from which a tool or the kernel refuses."""

from __future__ import annotations

from collections.abc import Iterator

from svcc.apply.summary import Summary
from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.frontends import port_label
from svcc.compiler.report import as_text
from svcc.compiler.source import Span
from svcc.kernel.steps import Change, StepError, ToolEnd


def refusal(error: StepError, summary: Summary, program: ir.Program | None, file: str | None) -> str:
    """Return the error as text: the service and its statement where they are known, and the tool's own words below."""
    frontend = summary.of(error.culprit) if error.culprit else None
    what = f" {_named(error.culprit)}" if error.culprit else ""
    of = f" of service {frontend.service}" if frontend else ""
    if error.reading:
        message = f"the present state of part {error.part} cannot be read"
    elif error.end is ToolEnd.REFUSED:
        message = f"the kernel or its tools refuse part {error.part}{of}:{what or ' it'} cannot be loaded"
    else:
        message = f"part {error.part}{of}:{what or ' it'} could not be loaded, as its tool failed"
    span = _span(program, frontend.service, frontend.label, error.culprit) if program and frontend else None
    diagnostic = Diagnostic(Code.REFUSED, message, span, file=None if span else file)
    return as_text([diagnostic]) + "".join(f"  {line}\n" for line in _words(error))


def _named(change: Change) -> str:
    return f"{change.kind} {change.subject}"


def _words(error: StepError) -> Iterator[str]:
    yield from (f"{error.part} says: {line}" for line in error.words.splitlines())
    if error.line:
        yield f"about:      {error.line}"


def _span(program: ir.Program, service_name: str, label: str, culprit: Change | None) -> Span | None:
    """Return the statement of the endpoint that the object is about; else that of the port, else that of the
    service."""
    service = next((one for one in program.services if one.name == service_name), None)
    if service is None:
        return None
    words = culprit.subject.replace(",", " ").split() if culprit else []
    for endpoint in service.endpoints:
        if endpoint.span is not None and any(_is(word, str(endpoint.address)) for word in words):
            return endpoint.span
    for port in service.ports:
        if port_label(service, port) == label and (span := port.spans.get("ports")) is not None:
            return span
    return service.span


def _is(word: str, address: str) -> bool:
    """Whether a word of an object's subject is this address, alone or with a port."""
    return word == address or word.startswith((f"{address}:", f"[{address}]:"))

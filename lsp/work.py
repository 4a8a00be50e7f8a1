"""Work that runs in processes of its own: checking and formatting whole texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.files import resolved
from svcc.compiler.fmt import format_source
from svcc.compiler.include import read_text
from svcc.compiler.load import load, load_data
from svcc.compiler.source import Source
from svcc.lsp.findings import Finding, findings
from svcc.targets import targets
from svcc.targets.refusals import findings as refused
from svcc.targets.refusals import refusals

# This loads the parser's tables and the targets before processes are forked.
load_data("nothing.dsl", b"service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.9 } }\n")
targets()


@dataclass(frozen=True, slots=True)
class CheckedProgram:
    """The result of a check. ``files`` are the absolute paths of the files that were read."""

    files: tuple[str, ...]
    findings: tuple[Finding, ...]


def check(root: str, unsaved: Mapping[str, bytes], encoding: str) -> CheckedProgram:
    """Return what `svcc check` finds in a file, with unsaved texts in place of files."""
    loaded = load(root, unsaved)
    said = [*loaded.diagnostics]
    if loaded.program is not None:
        said += refused(refusals(loaded.program), lenient=True)
    read = () if loaded.sources is None else tuple(name for name, _ in loaded.sources.files)
    return CheckedProgram(read, tuple(findings(dict.fromkeys(said), root, encoding)))


def laid_out(path: str, data: bytes) -> str | None:
    """Return the text in the one layout. Return None where its syntax is wrong."""
    source: Source | Diagnostic = read_text(path, data)
    formatted = format_source(source, resolved(path)) if isinstance(source, Source) else None
    return formatted if isinstance(formatted, str) else None

"""What targets refuse in a program, on any of its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic, Severity
from svcc.targets import targets
from svcc.targets.capability import check_nodes
from svcc.targets.interface import Target


def refusals(program: ir.Program, wanted: Sequence[Target] = ()) -> dict[str, list[Diagnostic]]:
    """Return what each target refuses, by name: those in ``wanted``, or else all that a kernel loads."""
    return {target.name: _refused(program, target) for target in wanted or _loaded()}


def findings(refused: Mapping[str, Sequence[Diagnostic]], *, lenient: bool) -> list[Diagnostic]:
    """Return everything that targets refuse.

    With ``lenient``, these are warnings where one of the targets can express the whole program.
    """
    found = [diagnostic for diagnostics in refused.values() for diagnostic in diagnostics]
    if not lenient or all(refused.values()):
        return found
    return [replace(diagnostic, severity=Severity.WARNING) for diagnostic in found]


def refused_by_all(program: ir.Program) -> list[Diagnostic]:
    """Return what the target that refuses least refuses; nothing, where some target can express the whole program."""
    return min((_refused(program, target) for target in _loaded()), key=len)


def _loaded() -> list[Target]:
    return [target for target in targets().values() if target.loads]


def _refused(program: ir.Program, target: Target) -> list[Diagnostic]:
    """Return why a target refuses the program on any of its nodes."""
    nodes: Sequence[ir.Node | None] = program.nodes or (None,)
    return check_nodes(program, target, nodes)

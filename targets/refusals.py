"""What targets refuse of a program, on any of its nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic, Severity
from svcc.targets import targets
from svcc.targets.capability import check_nodes
from svcc.targets.interface import Target


def refusals(program: ir.Program, wanted: Sequence[Target] = ()) -> dict[str, list[Diagnostic]]:
    """What each target refuses, by its name: of those that are wanted, or of all that a kernel loads."""
    return {target.name: _refused(program, target) for target in wanted or _loaded()}


def findings(refused: Mapping[str, Sequence[Diagnostic]], *, lenient: bool) -> list[Diagnostic]:
    """All that targets refuse; as warnings, where one of them can have the whole program and that is enough."""
    found = [diagnostic for diagnostics in refused.values() for diagnostic in diagnostics]
    if not lenient or all(refused.values()):
        return found
    return [replace(diagnostic, severity=Severity.WARNING) for diagnostic in found]


def refused_by_all(program: ir.Program) -> list[Diagnostic]:
    """What the target that refuses least of the program refuses; nothing, where some target can have all of it."""
    return min((_refused(program, target) for target in _loaded()), key=len)


def _loaded() -> list[Target]:
    return [target for target in targets().values() if target.loads]


def _refused(program: ir.Program, target: Target) -> list[Diagnostic]:
    """Why a target refuses the program on any of its nodes."""
    nodes: Sequence[ir.Node | None] = program.nodes or (None,)
    return check_nodes(program, target, nodes)

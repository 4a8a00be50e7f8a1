"""Checks whether a target can express a program. No program that it cannot express passes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.features import Feature, Use, uses
from svcc.compiler.names import to_declare
from svcc.compiler.suggest import did_you_mean, one_of
from svcc.targets import targets
from svcc.targets.interface import Target

#: Features that mean something else on each node.
_ABOUT_THE_NODE = frozenset(feature for feature in Feature if feature.value.startswith("traffic "))


def check_target(program: ir.Program, target: Target, node: ir.Node | None) -> list[Diagnostic]:
    """Return every reason why ``target`` cannot render ``program`` for ``node``; none where it can."""
    return check_nodes(program, target, (node,))


def check_nodes(program: ir.Program, target: Target, nodes: Sequence[ir.Node | None]) -> list[Diagnostic]:
    """Return what the target cannot express on any of several nodes, each reason once."""
    needed = list(uses(program))
    found = list(_unsupported(needed, target))
    if None in nodes and target.by_node:
        found += _needs_node(needed, program)
        found += target.needs_node(program)
    if not found:
        found += target.limits(program)
    return list(dict.fromkeys(found))


def _unsupported(needed: Iterable[Use], target: Target) -> Iterator[Diagnostic]:
    for use in needed:
        if use.feature not in target.features:
            able = [f"`{t.name}`" for t in targets().values() if t.loads and use.feature in t.features]
            hint = f"{one_of(able, 'and')} can" if able else "no target can"
            whose = "" if use.service is None else f" (service {use.service.name})"
            why = f": {target.lacks[use.feature]}" if use.feature in target.lacks else ""
            message = f"target {target.name} cannot express `{use.feature.value}`{whose}{why}"
            yield Diagnostic(Code.UNSUPPORTED, message, use.span, hint)


def _needs_node(needed: Iterable[Use], program: ir.Program) -> Iterator[Diagnostic]:
    for use in needed:
        if use.feature in _ABOUT_THE_NODE:
            yield Diagnostic(Code.NODE_NEEDED, f"`{use.feature.value}` depends on the node", use.span, choose(program))


def choose(program: ir.Program) -> str:
    """Return a hint that says how to name a node."""
    if not program.nodes:
        return "declare the machine: node NAME { address … }"
    return f"say which: --node {one_of([node.name for node in program.nodes])}"


def pick_node(program: ir.Program, name: str | None, file: str | None) -> ir.Node | Diagnostic | None:
    """Return the node of that name.

    Without a name, return the only node there is, or None. Return a diagnostic where no node has that name.
    """
    if name is None:
        return program.nodes[0] if len(program.nodes) == 1 else None
    node = program.node(name)
    if node is not None:
        return node
    names = [node.name for node in program.nodes]
    hint = did_you_mean(name, names) or (f"it is {one_of(names)}" if names else to_declare("node", name))
    return Diagnostic(Code.UNDEFINED, f"there is no node `{name}`", hint=hint, file=file)

"""States have types between the kernel and a plan: no type checker looks at what is declared ``Any``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from support.tools.code import Module, modules

#: What a program, its rules and their state go through: from a text to the kernel, from the kernel or a record to a
#: plan, and from a bundle to what a packet meets.
_WAY = (
    *("svcc.kernel", "svcc.targets", "svcc.apply", "svcc.verify.trace", "svcc.compiler.parse"),
    *("svcc.compiler.ir_document", "svcc.compiler.ir_from_json", "svcc.compiler.ir_json_values"),
)
#: It reads the fields of any record by the types that these have.
_BY_TYPE = {"svcc.apply.state_files"}
#: Drivers have states of many kinds. Where several stand together, these say that one of them fits its own driver.
_FITTING = {"Driver", "Reading", "DifferingPart"}
_MODULES = [one for one in modules() if f"{one.name}.".startswith(tuple(f"{name}." for name in _WAY))]


def untyped(tree: ast.AST, fitting: bool = False) -> Iterator[int]:
    """The lines that say ``Any``, but for those where it is an argument of one of these."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Name) and node.id == "Any" and not fitting:
            yield node.lineno
        yield from untyped(node, isinstance(node, ast.Subscript) and ast.unparse(node.value) in _FITTING)


def test_all_of_the_way_is_looked_at() -> None:
    names = {one.name for one in _MODULES}
    assert names >= {*_WAY} | _BY_TYPE
    assert {"svcc.kernel.nft.parsing", "svcc.targets.nft.read", "svcc.apply.firewall.nft"} <= names


@pytest.mark.parametrize("module", [one for one in _MODULES if one.name not in _BY_TYPE], ids=lambda one: one.name)
def test_states_have_types(module: Module) -> None:
    assert [*untyped(module.tree)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f(x: Any) -> None:\n    pass\n", [1]),
        ("x: Mapping[str, Any] = {}\n", [1]),
        ("x: Mapping[str, Driver[Any]] = {}\n", []),
        ("x = 1\ny: Driver[tuple[Any, int]] = z\n", [2]),
    ],
)
def test_what_has_none(text: str, found: list[int]) -> None:
    assert [*untyped(ast.parse(text))] == found

"""Between the kernel and a plan, states have types: no checker looks at what is declared ``Any``."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from support.tools.code import Module, modules

#: What a state goes through on its way from a target or the kernel to the steps, and back from a record.
_WAY = {
    f"svcc.apply.{name}"
    for name in (
        "drain", "drift", "driver", "engine", "journal", "known", "losses", "machine", "nft", "planning", "recovery",
        "session", "states", "upkeep",
    )
}  # fmt: skip
#: Drivers have states of many kinds. Where several stand together, these say that one of them fits its own driver.
_FITTING = {"Driver", "Reading", "Differs"}
_MODULES = [one for one in modules() if one.name in _WAY or one.name.startswith("svcc.apply.drivers")]


def untyped(tree: ast.AST, fitting: bool = False) -> Iterator[int]:
    """The lines that say ``Any``, but for those where it is an argument of one of these."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Name) and node.id == "Any" and not fitting:
            yield node.lineno
        yield from untyped(node, isinstance(node, ast.Subscript) and ast.unparse(node.value) in _FITTING)


def test_all_of_the_way_is_looked_at() -> None:
    assert {one.name for one in _MODULES} >= _WAY


@pytest.mark.parametrize("module", _MODULES, ids=lambda module: module.name)
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

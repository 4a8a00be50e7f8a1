"""Below the command line nothing ends the process or prints to a person: users of the library get exceptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from support.tools.code import Module, modules

#: Packages that others import; those of the command line are svcc's own.
_LIBRARY = (
    "grammar",
    "compiler",
    "kernel",
    "targets",
    "apply",
    "verify",
    "agent",
    "etcd",
    "fleet",
    "kubernetes_api",
    "lsp",
)
_ENDS = {"sys.exit", "exit", "quit", "SystemExit", "click.echo", "click.exceptions.Exit"}
_LIBRARY_MODULES = [one for one in modules() if one.name.split(".")[1:2] and one.name.split(".")[1] in _LIBRARY]


def _is_main(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def endings(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """What ends a process or speaks to a person, outside of ``if __name__ == "__main__"``, and its line."""
    for node in ast.iter_child_nodes(tree):
        if _is_main(node):
            continue
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in _ENDS:
            yield name, node.lineno
        elif isinstance(node, ast.Raise) and node.exc is not None and ast.unparse(node.exc) in _ENDS:
            yield ast.unparse(node.exc), node.lineno
        yield from endings(node)


@pytest.mark.parametrize("module", _LIBRARY_MODULES, ids=lambda module: module.name)
def test_nothing_ends_the_process(module: Module) -> None:
    assert [*endings(module.tree)] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import sys\ndef f():\n    sys.exit(3)\n", [("sys.exit", 3)]),
        ("def f():\n    raise SystemExit\n", [("SystemExit", 2)]),
        ("try:\n    f()\nexcept OSError:\n    raise SystemExit(2) from None\n", [("SystemExit", 4)]),
        ("if __name__ == '__main__':\n    raise SystemExit(main())\n", []),
        ("if x:\n    click.echo('x')\n", [("click.echo", 2)]),
    ],
)
def test_what_ends_a_process_is_found(text: str, found: list[tuple[str, int]]) -> None:
    assert [*endings(ast.parse(text))] == found

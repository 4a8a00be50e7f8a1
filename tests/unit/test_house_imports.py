"""Imports point one way, targets know nothing of each other, and the IR knows no word of any target."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest

from support.tools.code import Module, modules, place
from support.tools.project import ROOT, floors, settings
from svcc.targets import targets
from svcc.targets.interface import Target
from svcc.targets.iptables.names import Names
from svcc.targets.ipvs.sets import Purpose

#: Each layer, and the layers that it imports.
_LAYERS: dict[str, frozenset[str]] = {
    "grammar": frozenset(),
    "compiler": frozenset({"grammar"}),
    "kernel": frozenset(),
    "targets": frozenset({"compiler", "kernel"}),
    "apply": frozenset({"targets", "compiler", "kernel"}),
    "verify": frozenset({"apply", "targets", "compiler", "kernel"}),
    "kubernetes_api": frozenset(),
    "agent": frozenset({"kubernetes_api", "verify", "apply", "targets", "compiler", "kernel"}),
    "etcd": frozenset(),
    "fleet": frozenset({"agent", "etcd", "verify", "apply", "targets", "compiler", "kernel"}),
    "lsp": frozenset({"targets", "compiler", "grammar"}),
    "": frozenset(
        {
            "fleet",
            "agent",
            "etcd",
            "kubernetes_api",
            "lsp",
            "verify",
            "apply",
            "targets",
            "compiler",
            "grammar",
            "kernel",
        }
    ),  # svcc itself
}

#: The part of the compiler that targets see: the IR, what is derived from it, and diagnostics.
_IR_SIDE = frozenset(
    f"svcc.compiler.{name}"
    for name in (
        *(
            "address_kinds",
            "characters",
            "codes",
            "diagnostic",
            "features",
            "files",
            "frontends",
            "ir",
            "ir_to_json",
            "names",
        ),
        *("prefix", "source", "strict_json", "suggest"),
    )
)

#: The modules that say what a program means, which must not lean towards any target.
_NEUTRAL = ("ir", "frontends", "ir_to_json", "ir_from_json")
#: Not `snat`, which is a statement of the language.
_TARGET_WORDS = re.compile(
    r"nft|iptables|ip6tables|xtables|ipvs|ipset|libnftables|conntrack|dnat|fwmark|vmap|bitmap|restore",
    re.IGNORECASE,
)

#: What the dependencies are called in imports, where that is not their own name.
_IMPORTED_AS = {"pip-nftables": "nftables", "prometheus-client": "prometheus_client", "pyyaml": "yaml"}


def _layer(name: str) -> str:
    words = name.split(".")
    return words[1] if len(words) > 1 and words[1] in _LAYERS else ""


def _own_imports(module: Module) -> Iterator[tuple[str, int]]:
    return ((name, line) for name, line in module.imports() if name.split(".")[0] == "svcc")


def test_imports_point_one_way() -> None:
    wrong = [
        f"{place(module, line)}: {module.name} imports {name}"
        for module in modules()
        for name, line in _own_imports(module)
        if _layer(name) != (own := _layer(module.name)) and _layer(name) not in _LAYERS[own]
    ]
    assert wrong == []


@cache
def _targets() -> dict[str, Module]:
    """The modules and packages of svcc.targets that are targets, by name."""
    return {
        module.name: module
        for module in modules()
        if module.name.count(".") == 2 and _layer(module.name) == "targets" and _assigns(module.tree, "TARGET")
    }


def _assigns(tree: ast.Module, name: str) -> bool:
    wanted: list[ast.expr] = [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    wanted += [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return any(isinstance(target, ast.Name) and target.id == name for target in wanted)


def _target_of(name: str) -> str | None:
    """The target that a module belongs to."""
    return next((target for target in _targets() if f"{name}.".startswith(f"{target}.")), None)


def test_nothing_imports_a_target_by_name() -> None:
    assert _targets(), "no target was found: is TARGET assigned in another way?"
    wrong = [
        f"{place(module, line)}: {module.name} imports {name}"
        for module in modules()
        for name, line in _own_imports(module)
        if _target_of(name) not in (None, _target_of(module.name))
    ]
    assert wrong == []


def test_what_makes_and_reads_rules_is_imported_when_it_is_needed() -> None:
    """``svcc check`` asks every target what it can express, and is done."""
    script = "import sys; from svcc.targets import targets; targets(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[-1] for name in done.stdout.split() if name.startswith("svcc.targets.")}
    assert loaded & {"addresses", "assembly", "contribution", "bundles", "read"} == set()
    assert {"limits", "parts"} <= loaded


def test_targets_see_the_ir_alone() -> None:
    wrong = [
        f"{place(module, line)}: {module.name} imports {name}"
        for module in modules()
        if _layer(module.name) == "targets"
        for name, line in _own_imports(module)
        if _layer(name) == "compiler" and name not in _IR_SIDE
    ]
    assert wrong == []


def test_the_ir_side_stands_alone() -> None:
    wrong = [
        f"{place(module, line)}: {module.name} imports {name}"
        for module in modules()
        if module.name in _IR_SIDE
        for name, line in _own_imports(module)
        if name not in _IR_SIDE
    ]
    assert wrong == []


def _words(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Identifiers and strings, without docstrings, which may cite a manual page."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=word) | ast.Attribute(attr=word) | ast.arg(arg=word) | ast.alias(name=word):
                yield word, node.lineno
            case ast.FunctionDef(name=word) | ast.ClassDef(name=word):
                yield word, node.lineno
            case ast.Constant(value=str() as word) if id(node) not in prose:
                yield word, node.lineno


@pytest.mark.parametrize("name", _NEUTRAL)
def test_the_ir_names_no_target(name: str) -> None:
    module = next(module for module in modules() if module.name == f"svcc.compiler.{name}")
    assert [f"{place(module, line)}: {word}" for word, line in _words(module.tree) if _TARGET_WORDS.search(word)] == []


def _strings_of(*layers: str) -> Iterator[tuple[str, str]]:
    """Identifiers and strings, each after its place."""
    for module in modules():
        if _layer(module.name) in layers:
            yield from ((place(module, line), word) for word, line in _words(module.tree))


def test_what_sets_and_chains_are_called_is_written_in_their_target_alone() -> None:
    """How a set's name ends; how the name of a chain goes on that is a service's, or leads to services."""
    chains = Names("")
    labelled = chains.balance(""), chains.external(""), chains.sources(""), chains.at("")
    words = [f"-{purpose.suffix}(?![A-Z])" for purpose in Purpose]
    words += [f"(?<![A-Z]){name[1:]}" for name in (*labelled, chains.node_ports)]
    names = re.compile("|".join(words))
    assert names.search("CUSTOM-6-CLUSTER-IP")
    assert names.search("^SVC-")
    assert [one for one in _strings_of("kernel", "apply", "") if names.search(one[1])] == []


def test_apply_knows_no_target_by_name() -> None:
    """But for names that tools and parts have as well."""
    shared = {word for target in targets().values() for word in (*_parts(target), *_tools(target))}
    alone = targets().keys() - shared
    assert "ipvs" in alone
    assert [one for one in _strings_of("kernel", "apply") if one[1] in alone - {"ir"}] == []


def _parts(target: Target) -> list[str]:
    return [part.name for part in target.parts]


def _tools(target: Target) -> list[str]:
    return [tool.name for tool in target.tools]


def test_the_schema_names_no_target() -> None:
    schemas = [*(ROOT / "compiler").glob("*.json")]
    assert schemas
    assert [word for schema in schemas for word in _TARGET_WORDS.findall(schema.read_text())] == []


def test_what_is_imported_is_declared_and_what_is_declared_is_imported() -> None:
    declared = {_IMPORTED_AS.get(name, name) for name in floors()}
    tops = {name.split(".")[0] for module in modules() for name, _ in module.imports()}
    assert tops - sys.stdlib_module_names - {"svcc"} == declared


def test_the_oldest_python_is_the_one_that_lint_and_types_assume() -> None:
    oldest = settings()["project"]["requires-python"].removeprefix(">=")
    tools = settings()["tool"]
    assert tools["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert tools["mypy"]["python_version"] == oldest


def test_programs_are_started_by_the_one_runner() -> None:
    """It gives each a time limit and a wording of its failure. The others start what is no tool, or has a limit of its
    own: the watchdog, ssh-keygen, and what a lab's user runs there."""
    starting = re.compile(r"subprocess\.(Popen|run|check_\w+|call)\(|os\.(system|popen|posix_spawn\w*|exec\w+)\(")
    found = {one.name for one in modules() if starting.search(one.path.read_text(encoding="utf-8"))}
    below = {name for name in found if not name.startswith(("svcc.verify.lab", "svcc.commands"))}
    assert below == {"svcc.kernel.tools", "svcc.apply.confirm", "svcc.fleet.signatures"}

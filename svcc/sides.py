"""The two sides of `svcc diff`: each is a program, its JSON, a bundle, a folder of compiled files, or a generation."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click

from svcc.apply import wanted
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import Scope, scope_of_program
from svcc.apply.served import NOTHING, Side, bundle_routes, generation_side, rules_side
from svcc.apply.store import Store
from svcc.apply.summary import summary
from svcc.apply.wanted import Wanted, accept, is_compiled, read_data, target_alone
from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.errors import InputError
from svcc.compiler.load import load_data
from svcc.compiler.suggest import one_of
from svcc.state_options import named_generation, pick_installation
from svcc.targets import targets
from svcc.targets.bundle import source_of_text, split_bundle
from svcc.targets.capability import pick_node
from svcc.targets.folder import given_folder
from svcc.targets.interface import Bundle, Target

#: How many digits a generation's number has at most. A longer word is a file's name.
_DIGITS = 18


@dataclass(frozen=True)
class SideOptions:
    """The options of the command line that concern both sides."""

    target: Target | None
    node: str | None
    prefix: str | None
    store: Store
    #: Warnings about programs that were read. They are printed once, together.
    warnings: list[Diagnostic] = field(default_factory=list)


@dataclass(frozen=True)
class NamedSide:
    """One side of the comparison. ``target`` is the target of its rules; None for a program, which compiles to any
    target.

    ``rules`` returns its rules for a target, None where it has none. Errors: InputError.
    """

    side: Side
    target: str | None
    rules: Callable[[Target], Bundle | None]
    scope: Scope


def is_generation(word: str) -> bool:
    """Whether a side is the number of a generation."""
    return word.isascii() and word.isdigit() and len(word) <= _DIGITS


def read_side(word: str, asked: SideOptions) -> NamedSide:
    """Read a side. A word of digits is a generation's number (a file of that name is `./7`).

    Errors: InputError, OtherNode; StoreError where a generation cannot be read.
    """
    if is_generation(word):
        return _generation(int(word), asked)
    if word != "-" and os.path.isdir(word):
        return _folder(Path(word), asked)
    data = read_data(word)
    if is_compiled(data):
        return _bundle(word, data, asked)
    return _program(word, data, asked)


def _generation(number: int, asked: SideOptions) -> NamedSide:
    installation = pick_installation(asked.store, asked.prefix)
    generation = named_generation(installation, number)
    bundle = installation.bundle(generation)
    scope = Scope(generation.prefix, generation.device)
    return NamedSide(generation_side(installation, generation), generation.target, lambda _: bundle, scope)


def _folder(folder: Path, asked: SideOptions) -> NamedSide:
    """Read a folder of compiled files. A folder that holds a program's JSON is that program."""
    target = asked.target if asked.target and asked.target.loads else _target_of(folder)
    if not target.loads:
        path = str(folder / target.parts[0].file)
        return _program(path, read_data(path), asked)
    return _rules(accept(str(folder), lambda: given_folder(folder, target), asked.node))


def _target_of(folder: Path) -> Target:
    """Return the target that has the most files in a folder; where several have as many, the one that lacks the
    fewest."""
    names = {path.name for path in folder.iterdir()}
    files = {n: {part.file for part in (*t.parts, *t.syntaxes.values())} for n, t in targets().items()}
    fit = {name: (len(own & names), -len(own - names)) for name, own in files.items() if own & names}
    able = [name for name in fit if fit[name] == max(fit.values())]
    if len(able) != 1:
        raise click.UsageError(f"say --target: {folder} could be of {one_of(able or [*files])}")
    return targets()[able[0]]


def _bundle(file: str, data: bytes, asked: SideOptions) -> NamedSide:
    """Read a bundle. Its target is the one that it names, or the one that knows the part where that stands alone."""
    name = "<stdin>" if file == "-" else file
    target = target_alone(data)
    return _rules(accept(file, lambda: split_bundle(source_of_text(name, data), target), asked.node))


def _rules(given: Wanted) -> NamedSide:
    """Return the side of an accepted bundle. A bundle without a prefix is empty."""
    bundle, prefix = given.bundle, given.accepted.prefix if given.accepted else None
    scope = Scope(prefix or "SVCC")
    side = rules_side(bundle.target, lambda: bundle_routes(bundle, scope)) if prefix else NOTHING
    return NamedSide(side, bundle.target, lambda _: bundle, scope)


def _program(file: str, data: bytes, asked: SideOptions) -> NamedSide:
    loaded = load_data(file, data)
    if loaded.program is None:
        raise InputError(loaded.diagnostics)
    node = pick_node(loaded.program, asked.node, file)
    if isinstance(node, Diagnostic):
        raise InputError([*loaded.diagnostics, node])
    asked.warnings.extend(loaded.diagnostics)
    return _of_program(loaded.program, node, file, asked)


def _of_program(program: ir.Program, node: ir.Node | None, file: str, asked: SideOptions) -> NamedSide:
    side = Side(KeptProgram(program), lambda: summary(program, node))

    def rules(target: Target) -> Bundle | None:
        return wanted.from_program(program, target, asked.node, file).bundle

    return NamedSide(side, None, rules, scope_of_program(program))

"""What ``import svcc`` gives besides the classes: programs from files, and bundles from programs."""

from __future__ import annotations

from os import PathLike, fspath

from svcc.apply import wanted
from svcc.compiler import ir
from svcc.compiler.errors import InputError
from svcc.compiler.load import load as load_file
from svcc.targets import find, targets
from svcc.targets.interface import Bundle


def load(file: str | PathLike[str]) -> ir.Program:
    """The program in a file: of the language, or the IR's JSON. ``-`` is standard input.

    Errors: InputError; its ``diagnostics`` have code, message, place and hint.
    """
    loaded = load_file(fspath(file))
    if loaded.program is None:
        raise InputError(loaded.diagnostics)
    return loaded.program


def compile(program: ir.Program, target: str, node: str | None = None) -> Bundle:
    """The program as native files of a target; ``node`` names the machine, where the program declares several.

    Errors: InputError: no such node, or something that the target cannot express; ValueError: no such target.
    """
    found = find(target)
    if found is None:
        raise ValueError(f"there is no target {target}; there are {', '.join(targets())}")
    return wanted.from_program(program, found, node).bundle

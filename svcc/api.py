"""The functions of ``import svcc``: programs from files, and bundles from programs."""

from __future__ import annotations

from os import PathLike, fspath

from svcc.apply import wanted
from svcc.compiler import ir
from svcc.compiler.errors import InputError
from svcc.compiler.load import load as load_file
from svcc.compiler.made_programs import checked_program
from svcc.targets import find, targets
from svcc.targets.interface import Bundle


def load(file: str | PathLike[str]) -> ir.Program:
    """Return the program in a file, which is in svcc's language or the IR's JSON. ``file``: its path; ``-`` is standard
    input.

    Errors: InputError where the program is wrong; its ``diagnostics`` have code, message, place and hint; ValueError
    where ``file`` is no path.
    """
    if not isinstance(file, str | PathLike):
        raise ValueError(f"{file!r:.60} is no path")
    loaded = load_file(fspath(file))
    if loaded.program is None:
        raise InputError(loaded.diagnostics)
    return loaded.program


def compile(program: ir.Program, target: str, node: str | None = None) -> Bundle:
    """Return the program as a target's native files. ``node`` names the machine, where the program declares several.

    Errors: InputError where something in the program is wrong, there is no such node, or the target cannot express
    something; ValueError where there is no such target, or where a value has a wrong type.
    """
    found = find(target)
    if found is None:
        raise ValueError(f"there is no target {target}; there are {', '.join(targets())}")
    return wanted.from_program(checked_program(program), found, node).bundle

"""Find what a machine is to hold: a program compiled for a target, or a bundle that was compiled before.

Faults of an input are raised (:class:`svcc.compiler.errors.InputError`); nothing here prints or ends a process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.errors import InputError, SvccError
from svcc.compiler.load import load_data, read_file
from svcc.compiler.source import Source
from svcc.compiler.sources import Sources, source_of
from svcc.targets import find, targets
from svcc.targets.bundle import Given, is_bundle, source_of_text, split_bundle
from svcc.targets.capability import check_target, pick_node
from svcc.targets.folder import given_folder
from svcc.targets.interface import Accepted, Assembly, Bundle, Target, TargetByService
from svcc.targets.reading import RefusedText, Text


class OtherNode(SvccError):
    """A bundle was compiled for another node than the one that is asked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bundle, ready for its target, and what it was compiled from. Of a bundle that was compiled elsewhere only the
    rules are known."""

    bundle: Bundle
    program: ir.Program | None  # the program that it was compiled from; None: not known
    node: ir.Node | None
    sources: Sources | None = None  # the files that the program was read from; None: not known, or it has warnings
    accepted: Accepted | None = None  # what the target read in a bundle that was compiled elsewhere
    warnings: tuple[Diagnostic, ...] = ()
    name: str = ""  # of the file, as it was given; as `svcc history` shows it
    #: The assembly that made the bundle, by which services can be changed later; None: there was none.
    assembly: Assembly | None = field(default=None, compare=False, repr=False)


def from_file(file: str, target: Target, node: str | None) -> Wanted:
    """Read a file and return what it asks for. It may be a program in the language, a program's IR as JSON, a bundle,
    or a folder of a bundle's parts.

    ``file``: a path, or ``-`` for standard input. ``node``: the name of the machine; None: the program has to tell.
    Errors: InputError, OtherNode.
    """
    if file != "-" and os.path.isdir(file):
        return accept(file, lambda: given_folder(Path(file), target), node)
    data = read_data(file)
    if _is_compiled(data, target):
        name = "<stdin>" if file == "-" else file
        found = accept(file, lambda: split_bundle(source_of_text(name, data), target), node)
        return found if file == "-" else replace(found, sources=source_of(file, data))
    if (other := target_alone(data)) is not None:
        message = f"this looks like what target {other.name} compiles to: it is not for {target.name}"
        raise InputError([Diagnostic(Code.BUNDLE, message, file=file)])
    return _compiled(file, data, target, node)


def from_program_file(file: str, target: Target, node: str | None) -> Wanted:
    """Do what :func:`from_file` does, for a file that has to hold a program. Errors: InputError."""
    return _compiled(file, read_data(file), target, node)


def from_program(program: ir.Program, target: Target, node: str | None, file: str = "") -> Wanted:
    """Compile a program that was read or made before; its own checks are not repeated. ``file``: its name in errors.

    Errors: InputError where there is no such node, or where the target cannot express the program.
    """
    picked = pick_node(program, node, file or None)
    refused = [picked] if isinstance(picked, Diagnostic) else check_target(program, target, picked)
    if isinstance(picked, Diagnostic) or refused:
        raise InputError(refused)
    if not isinstance(target, TargetByService):
        return Wanted(target.render(program, picked), program, picked, name=file)
    assembly = target.assembled(program, picked)
    return Wanted(assembly.bundle(), program, picked, name=file, assembly=assembly)


def from_bundle(bundle: Bundle, name: str = "the bundle") -> Wanted:
    """Return a bundle object as something that is wanted. Its target has to accept it, whoever made it.

    Errors: InputError.
    """
    target = find(bundle.target)
    if target is None:
        raise InputError([Diagnostic(Code.BUNDLE, f"there is no target {bundle.target}")])
    texts = {part.name: _text(bundle, part.name, part.file) for part in target.parts}
    return accept(name, lambda: Given(target, bundle.node, texts), bundle.node)


def _text(bundle: Bundle, part: str, file: str) -> Text:
    artifact = bundle.artifact(part)
    text = artifact.text if artifact is not None else ""
    return Text(Source(file, text), 0, len(text))


def read_data(file: str) -> bytes:
    """Return the bytes of a file. Errors: InputError."""
    data = read_file(file)
    if isinstance(data, Diagnostic):
        raise InputError([data])
    return data


def _compiled(file: str, data: bytes, target: Target, node: str | None) -> Wanted:
    loaded = load_data(file, data)
    if loaded.program is None:
        raise InputError(loaded.diagnostics)
    try:
        found = from_program(loaded.program, target, node, file)
    except InputError as error:
        raise InputError([*loaded.diagnostics, *error.diagnostics]) from None
    sources = None if loaded.diagnostics else loaded.sources
    return replace(found, sources=sources, warnings=loaded.diagnostics)


def _is_compiled(data: bytes, target: Target) -> bool:
    """Whether a file holds a bundle, which its first line says, or the one part of the target that may stand alone,
    which its first word says."""
    return is_bundle(_start(data)) or target.is_alone(_start(data))


def is_compiled(data: bytes) -> bool:
    """Whether a file holds a bundle, or a part of some target that may stand alone."""
    return is_bundle(_start(data)) or target_alone(data) is not None


def target_alone(data: bytes) -> Target | None:
    """Return the target whose part a file holds alone; None where it holds no such part, or a bundle."""
    return next((target for target in targets().values() if target.is_alone(_start(data))), None)


def _start(data: bytes) -> str:
    return data[:200].decode("utf-8-sig", "replace")  # a bundle after a byte order mark is refused as a bundle


def accept(file: str, read: Callable[[], Given], node: str | None) -> Wanted:
    """Read a bundle, and return it as its target prints what it read. Errors: InputError, OtherNode.

    ``file``: its name in errors. ``read``: returns the bundle's texts. ``node``: the name of the machine, if it is
    named.
    """
    try:
        given = read()
        accepted = given.target.accept(given.texts)
    except RefusedText as error:
        raise InputError([error.diagnostic]) from error
    except OSError as error:
        message = f"cannot read {error.filename or file}: {error.strerror}"
        raise InputError([Diagnostic(Code.UNREADABLE, message, file=file)]) from error
    if node not in (None, given.node):
        was = f"was compiled for {given.node}" if given.node else "does not say for which node it was compiled"
        raise OtherNode(f"{file} {was}: --node cannot change that")
    return Wanted(Bundle(given.target.name, given.node, accepted.artifacts), None, None, accepted=accepted, name=file)

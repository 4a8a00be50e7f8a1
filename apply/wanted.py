"""What a machine is to hold: a program compiled for a target, or a bundle that was compiled before.

What is wrong with an input is raised (:class:`svcc.compiler.errors.InputError`); nothing here prints or ends a process.
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
    """A bundle, ready for its target. Of one that was compiled elsewhere nothing is known but its rules."""

    bundle: Bundle
    program: ir.Program | None  # what it was compiled from
    node: ir.Node | None
    sources: Sources | None = None  # the files that the program was read from; None: not known, or it has warnings
    accepted: Accepted | None = None  # of a bundle that was compiled elsewhere: what its target read in it
    warnings: tuple[Diagnostic, ...] = ()
    name: str = ""  # of the file, as it was given; as `svcc history` shows it
    #: What the bundle was put together in, by which services can be changed later; None: the target has no such thing.
    assembly: Assembly | None = field(default=None, compare=False, repr=False)


def from_file(file: str, target: Target, node: str | None) -> Wanted:
    """What a file holds: a program in the language, its IR as JSON, a bundle, or a folder of a bundle's parts.

    ``file`` is a path, or ``-`` for standard input; ``node`` the name of the machine, where one is asked for.
    Errors: InputError, OtherNode.
    """
    if file != "-" and os.path.isdir(file):
        return accept(file, lambda: given_folder(Path(file), target, node), node)
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
    """As :func:`from_file`, of a file that is to hold a program. Errors: InputError."""
    return _compiled(file, read_data(file), target, node)


def from_program(program: ir.Program, target: Target, node: str | None, file: str = "") -> Wanted:
    """A program that was read or made before; its own checks are not repeated. ``file`` is named in errors.

    Errors: InputError: no such node, or something that the target cannot express.
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
    """A bundle that is at hand; whoever made it, its target has to accept it. Errors: InputError."""
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
    """What is in a file. Errors: InputError."""
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
    """Bundles say so in their first line; a part that stands alone is known by its first word."""
    return is_bundle(_start(data)) or target.is_alone(_start(data))


def is_compiled(data: bytes) -> bool:
    """Whether a file holds a bundle, or the part of some target that stands alone."""
    return is_bundle(_start(data)) or target_alone(data) is not None


def target_alone(data: bytes) -> Target | None:
    """The target of which a file holds the part that stands alone; None: it holds none, or a bundle."""
    return next((target for target in targets().values() if target.is_alone(_start(data))), None)


def _start(data: bytes) -> str:
    return data[:200].decode("utf-8-sig", "replace")  # where a mark stands before a bundle, that is said of a bundle


def accept(file: str, read: Callable[[], Given], node: str | None) -> Wanted:
    """The bundle, as its target prints what it read in it. Errors: InputError, OtherNode."""
    try:
        given = read()
        accepted = given.target.accept(given.texts)
    except RefusedText as error:
        raise InputError([error.diagnostic]) from error
    except OSError as error:
        message = f"cannot read {error.filename or file}: {error.strerror}"
        raise InputError([Diagnostic(Code.UNREADABLE, message, file=file)]) from error
    if node not in (None, given.node):
        was = f"for {given.node}" if given.node else "for no node in particular"
        raise OtherNode(f"{file} was compiled {was}: --node cannot change that")
    return Wanted(Bundle(given.target.name, given.node, accepted.artifacts), None, None, accepted=accepted, name=file)

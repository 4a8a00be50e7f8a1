"""What commands take as FILE: a program, or a bundle that was compiled from one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.load import load_data, read_file
from svcc.compiler.sources import Sources, source_of
from svcc.options import pick_node, refuse, tell
from svcc.targets.bundle import Given, is_bundle, source_of_text, split_bundle
from svcc.targets.capability import check_target
from svcc.targets.folder import given_folder
from svcc.targets.interface import Accepted, Bundle, Target
from svcc.targets.reading import Refused

#: How the document of a single-part target begins; the IR's JSON has no such member.
_BARE = '"nftables"'


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program, and what it is for a target on one node."""

    program: ir.Program
    node: ir.Node | None
    bundle: Bundle
    sources: Sources | None  # None: not known, or there was something to say about it


@dataclass(frozen=True, slots=True)
class Input:
    """FILE, ready for a target. A bundle was compiled elsewhere: of its program nothing is known but the rules."""

    bundle: Bundle
    program: ir.Program | None
    node: ir.Node | None
    sources: Sources | None  # as of Compiled
    accepted: Accepted | None = None  # of a bundle


def read_input(file: str, target: Target, node_name: str | None, form: str, *, quiet: bool = False) -> Input:
    """Compile a program, or accept a bundle or a folder. Whatever is wrong with the file ends the command."""
    if file != "-" and Path(file).is_dir():
        return _accepted(file, lambda: given_folder(Path(file), target, node_name), node_name, None, form)
    data = _read(file, form)
    if _is_compiled(data, target):
        sources = None if file == "-" else source_of(file, data)
        name = "<stdin>" if file == "-" else file
        return _accepted(file, lambda: split_bundle(source_of_text(name, data), target), node_name, sources, form)
    made = _compile(file, data, target, node_name, form, quiet=quiet)
    return Input(made.bundle, made.program, made.node, made.sources)


def compile_file(file: str, target: Target, node_name: str | None, form: str, *, quiet: bool = False) -> Compiled:
    """Compile a program. Whatever is wrong with the file ends the command."""
    return _compile(file, _read(file, form), target, node_name, form, quiet=quiet)


def _read(file: str, form: str) -> bytes:
    data = read_file(file)
    if isinstance(data, Diagnostic):
        refuse([data], form)
    return data


def _compile(file: str, data: bytes, target: Target, node_name: str | None, form: str, *, quiet: bool) -> Compiled:
    loaded = load_data(file, data)
    if loaded.program is None:
        refuse(loaded.diagnostics, form, quiet=quiet)
    node = pick_node(loaded.program, node_name, file)
    refused = [node] if isinstance(node, Diagnostic) else check_target(loaded.program, target, node)
    if isinstance(node, Diagnostic) or refused:
        refuse([*loaded.diagnostics, *refused], form, quiet=quiet)
    tell(loaded.diagnostics, form, quiet=quiet)
    sources = None if loaded.diagnostics else loaded.sources
    return Compiled(loaded.program, node, target.render(loaded.program, node), sources)


def _is_compiled(data: bytes, target: Target) -> bool:
    """Bundles say so in their first line; a bare part of a target is known by its first word."""
    start = data[:200].decode("utf-8", "replace").lstrip("{ \t\r\n")
    return is_bundle(start) or (target.alone is not None and start.startswith(_BARE))


def _accepted(file: str, read: Callable[[], Given], node: str | None, sources: Sources | None, form: str) -> Input:
    """The bundle, as its target prints what it read in it."""
    try:
        given = read()
        accepted = given.target.accept(given.texts)
    except Refused as error:
        refuse([error.diagnostic], form)
    except OSError as error:
        message = f"cannot read {error.filename or file}: {error.strerror}"
        refuse([Diagnostic(Code.UNREADABLE, message, file=file)], form)
    if node not in (None, given.node):
        was = f"for {given.node}" if given.node else "for no node in particular"
        raise click.UsageError(f"{file} was compiled {was}: --node cannot change that")
    bundle = Bundle(given.target.name, given.node, accepted.artifacts)
    return Input(bundle, None, None, sources, accepted)

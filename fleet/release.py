"""From a program to a release and back: every node's bundle is compiled where it is published, and once more on the
node; both have to be the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from svcc.apply import wanted
from svcc.apply.program_text import KeptProgram
from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.errors import InputError
from svcc.compiler.load import load_data
from svcc.fleet.blobs import Blob, pack, unpack
from svcc.fleet.documents import Compiled, Release
from svcc.fleet.errors import BadProgram
from svcc.fleet.keys import fault
from svcc.targets import find
from svcc.targets.bundle import bundle_text
from svcc.targets.interface import Bundle, Target

#: What a program from etcd is called in messages. The ending says that it is the IR's JSON.
_NAME = "release.json"


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be published: a packed program, and what it is for each node."""

    program: ir.Program
    blob: Blob
    nodes: Mapping[str, Compiled]

    def numbered(self, fleet: str, number: int, who: str, message: str, when: str) -> Release:
        return Release(fleet, number, self.blob.hash, len(self.blob.pieces), self.nodes, who, message, when)


def draft(given: ir.Program, target: Target, others: Mapping[str, Target], file: str = "") -> Draft:
    """Compile a program for each of its nodes. ``others``: the targets of nodes that have one of their own.

    Errors: InputError: it has no nodes, a node's name is no part of a key, or a target cannot express it; BadProgram.
    """
    if found := list(_faults(given, others, file)):
        raise InputError(found)
    text = KeptProgram(given).text
    program = read_program(text)  # what is compiled is what the nodes will read
    nodes = {
        node.name: compiled(compile_for(program, others.get(node.name, target), node.name, file))
        for node in program.nodes
    }
    return Draft(program, pack(text), nodes)


def _faults(program: ir.Program, others: Mapping[str, Target], file: str) -> list[Diagnostic]:
    if not program.nodes:
        hint = "declare the machines: node NAME { address … }"
        return [Diagnostic(Code.MISSING, "a fleet needs nodes, and the program has none", hint=hint, file=file or None)]
    unnamable = [
        Diagnostic(Code.NAME, f"no node of a fleet can be called `{node.name}`: {wrong}", node.span, file=file or None)
        for node in program.nodes
        if (wrong := fault(node.name)) is not None
    ]
    unknown = [
        Diagnostic(Code.UNDEFINED, f"there is no node `{name}`, which has a target", file=file or None)
        for name in others
        if program.node(name) is None
    ]
    return unnamable + unknown


def read_program(text: str) -> ir.Program:
    """The program of a release, read and checked as any file is. Errors: InputError."""
    loaded = load_data(_NAME, text.encode())
    if loaded.program is None:
        raise InputError(loaded.diagnostics)
    return loaded.program


def compile_for(program: ir.Program, target: Target, node: str, file: str = "") -> Bundle:
    """Errors: InputError."""
    return wanted.from_program(program, target, node, file).bundle


def compiled(bundle: Bundle) -> Compiled:
    """What a release says of a bundle."""
    return Compiled(bundle.target, sha256(bundle_text(bundle).encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Taken:
    """What a node made of a release: it is what was published."""

    program: ir.Program
    target: Target
    bundle: Bundle
    published: Compiled


def take(release: Release, pieces: list[bytes], node: str) -> Taken:
    """The program and the bundle of one node.

    Errors: BadProgram: the release has nothing for the node, or another program, or this svcc compiles it to something
    else than was published; InputError: the program is wrong.
    """
    published = release.nodes.get(node)
    if published is None:
        raise BadProgram(f"release {release.number} has nothing for node {node}")
    target = find(published.target)
    if target is None or not target.loads:
        raise BadProgram(f"release {release.number} is for target {published.target}, which this svcc cannot load")
    program = read_program(unpack(release.program, pieces))
    bundle = compile_for(program, target, node)
    if compiled(bundle) != published:
        raise BadProgram(
            f"this svcc compiles release {release.number} to other rules than were published: "
            "publish and agents need the same version"
        )
    return Taken(program, target, bundle, published)


def makes(program: ir.Program, node: str, published: Compiled) -> bool:
    """Whether this svcc makes of a program the rules that were published for a node: another version may not."""
    target = find(published.target)
    if target is None:
        return False
    try:
        return compiled(compile_for(program, target, node)) == published
    except InputError:
        return False

"""From a program to a release and back. The bundle of every node is compiled by the publisher, and again on the node;
both must be the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from svcc.apply import wanted
from svcc.apply.program_text import KeptProgram
from svcc.apply.wanted import Wanted
from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.errors import InputError
from svcc.compiler.ir_from_json import VALUES, too_long
from svcc.compiler.load import load_data
from svcc.fleet.blobs import Blob, pack, unpack
from svcc.fleet.documents import Compiled, Release
from svcc.fleet.errors import BadProgram
from svcc.fleet.keys import fault
from svcc.targets import find
from svcc.targets.bundle import first_line, parts_text
from svcc.targets.capability import check_nodes
from svcc.targets.interface import Bundle, Target
from svcc.targets.many_nodes import for_nodes

#: The name of a program from etcd in messages. Its ending says that it is the IR's JSON.
_NAME = "release.json"


@dataclass(frozen=True, slots=True)
class ReleaseDraft:
    """What is to be published: a compressed program, and its bundle for each node."""

    program: ir.Program
    blob: Blob
    nodes: Mapping[str, Compiled]

    def numbered(self, fleet: str, number: int, who: str, message: str, when: str) -> Release:
        """Return the release that is published under a number. ``when``: shown to people; no decision depends on it."""
        return Release(fleet, number, self.blob.hash, len(self.blob.pieces), self.nodes, who, message, when)


def draft(given: ir.Program, target: Target, others: Mapping[str, Target], file: str = "") -> ReleaseDraft:
    """Compile a checked program for each of its nodes. ``others``: the targets of nodes that have one of their own.

    Errors: InputError where the program has no nodes, a key cannot hold the name of a node or of a pool with
    ``registered``, or a target cannot express the program; BadProgram.
    """
    if found := list(_faults(given, others, file)):
        raise InputError(found)
    targets = {node.name: others.get(node.name, target) for node in given.nodes}
    for one in dict.fromkeys(targets.values()):
        if refused := check_nodes(given, one, given.nodes):
            raise InputError(refused)
    kept = KeptProgram(given)
    if too_long(kept.text):
        raise BadProgram(f"the program has more than {VALUES:,} values, and no node reads it")
    try:
        program = KeptProgram(kept.text).program()  # compile what the nodes will read
    except ValueError as error:
        raise BadProgram(f"no node can read the program: {error}") from None
    return ReleaseDraft(program, pack(kept.text), _compiled_for_all(program, targets))


def _compiled_for_all(program: ir.Program, targets: Mapping[str, Target]) -> dict[str, Compiled]:
    """Return each node's part of the release. ``targets``: the targets of all nodes, by name."""
    found: dict[str, Compiled] = {}
    for target in dict.fromkeys(targets.values()):
        some = [node for node in program.nodes if targets[node.name] is target]
        for alike in for_nodes(program, target, some):
            parts = parts_text(alike.bundle).encode()
            found |= {node.name: _part_of(target.name, node.name, parts) for node in alike.nodes}
    return {node.name: found[node.name] for node in program.nodes}


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
    pools = {one.pool: one for service in program.services for one in service.registered}
    unjoinable = [
        Diagnostic(Code.NAME, f"nobody can register in pool `{name}`: {wrong}", one.span, file=file or None)
        for name, one in pools.items()
        if (wrong := fault(name)) is not None
    ]
    return unnamable + unknown + unjoinable


def read_program(text: str) -> ir.Program:
    """Return the program of a release, read and checked as any file is. Errors: InputError."""
    loaded = load_data(_NAME, text.encode())
    if loaded.program is None:
        raise InputError(loaded.diagnostics)
    return loaded.program


def compile_for(program: ir.Program, target: Target, node: str) -> Wanted:
    """Return a program compiled for a node. Errors: InputError."""
    return wanted.from_program(program, target, node)


def compiled(bundle: Bundle) -> Compiled:
    """Return a bundle's part of a release: its target, and its hash."""
    return _part_of(bundle.target, bundle.node, parts_text(bundle).encode())


def _part_of(target: str, node: str | None, parts: bytes) -> Compiled:
    """Return the part of a release for a bundle of this target, node and parts."""
    hash = sha256(first_line(target, node).encode())
    hash.update(parts)
    return Compiled(target, hash.hexdigest())


@dataclass(frozen=True, slots=True)
class Taken:
    """A release as a node compiled it, to the rules that were published. ``compiled``: the program, compiled for the
    node."""

    program: ir.Program
    target: Target
    published: Compiled
    compiled: Wanted


def take(release: Release, pieces: list[bytes], node: str) -> Taken:
    """Return the program of a release, compiled for one node to the rules that were published.

    Errors: BadProgram where the release has nothing for the node, its program is another one, or this svcc compiles it
    to other rules than were published; InputError where the program is wrong.
    """
    published = release.nodes.get(node)
    if published is None:
        raise BadProgram(f"release {release.number} has nothing for node {node}")
    program = read_program(unpack(release.program, pieces))
    return compile_as(published, program, node, release.number)


def compile_as(published: Compiled, program: ir.Program, node: str, release: int) -> Taken:
    """Compile a release's program to the rules that were published for a node. Errors: as of :func:`take`."""
    target = find(published.target)
    if target is None or not target.loads:
        raise BadProgram(f"release {release} is for target {published.target}, which this svcc cannot load")
    made = compile_for(program, target, node)
    if compiled(made.bundle) != published:
        raise BadProgram(
            f"this svcc compiles release {release} to other rules than were published: "
            "publish and agents need the same version"
        )
    return Taken(program, target, published, made)

"""What a node keeps of its fleet on its own disk, in STATE/fleet.json and STATE/fleet-NUMBER.program.

It says which release the node serves, and the largest epoch that it followed. With it an agent can start without etcd,
and see that etcd was restored from a backup.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from svcc.apply import files
from svcc.apply.program_text import KeptProgram
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store
from svcc.compiler import ir
from svcc.compiler.errors import SvccError
from svcc.fleet.document_members import members_of, text_of
from svcc.fleet.documents import Compiled
from svcc.fleet.errors import BadDocument, FleetError
from svcc.fleet.release import Taken, compile_as


class OtherFleet(FleetError):
    """The state directory belongs to another fleet or node."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a node serves, and what it has followed.

    ``epoch``: the largest that it followed, 0 where there is none; ``wanted``: the release of that epoch; ``release``:
    the one that it serves, 0 where it is none of the fleet's; ``target``: the target of that, and ``bundle``: the hash
    of its rules as they were published, both "" without a release.
    """

    fleet: str
    node: str
    epoch: int = 0
    wanted: int = 0
    release: int = 0
    target: str = ""
    bundle: str = ""

    @classmethod
    def read(cls, root: Path, fleet: str, node: str) -> Record:
        """Read the record; an empty one where there is none. Errors: BadDocument, OtherFleet, OSError."""
        file = root / "fleet.json"
        try:
            members = members_of(str(file), file.read_bytes())
        except FileNotFoundError:
            return cls(fleet, node)
        found = cls(
            fleet=members.name("fleet"),
            node=members.name("node"),
            epoch=members.number("epoch"),
            wanted=members.number("wanted"),
            release=members.number("release"),
            target=members.text("target"),
            bundle=members.text("bundle"),
        )
        members.end()
        if (found.fleet, found.node) != (fleet, node):
            raise OtherFleet(f"{root} belongs to node {found.node} of fleet {found.fleet}: choose another --state-dir")
        return found

    def write(self, root: Path) -> None:
        """Write the record. Errors: OSError."""
        files.make_directory(root)
        text = text_of(
            {
                "fleet": self.fleet,
                "node": self.node,
                "epoch": self.epoch,
                "wanted": self.wanted,
                "release": self.release,
                "target": self.target,
                "bundle": self.bundle,
            }
        )
        files.write(root / "fleet.json", text + "\n")


def keep_program(root: Path, release: int, program: ir.Program) -> None:
    """Keep a release's program, beside that of the release that is served. Errors: OSError."""
    files.make_directory(root)
    files.write(_file(root, release), KeptProgram(program).text)


def forget_programs(root: Path, but: int) -> None:
    """Delete the programs of all releases but one. Errors: OSError."""
    for file in root.glob("fleet-*.program"):
        if file != _file(root, but):
            file.unlink(missing_ok=True)


def kept_program(root: Path, record: Record) -> Taken | None:
    """Return the program that a node serves, compiled to the rules that were published; None where it serves none of
    the fleet's.

    Errors: BadProgram where this svcc compiles it to other rules; BadDocument, InputError, OSError.
    """
    if not record.release:
        return None
    file = _file(root, record.release)
    try:
        program = KeptProgram(file.read_text(encoding="utf-8")).program()
    except FileNotFoundError:
        raise BadDocument(f"{file} is missing") from None
    except ValueError as error:
        raise BadDocument(f"{file} is not what svcc keeps there: {error}") from None
    return _compiled(record, program)


def program_in_place(root: Path, record: Record) -> Taken | None:
    """Return the same program as the generation in place has it; None where none of this machine's has the rules that
    were published."""
    with suppress(StoreError, OSError):
        for installation in Store(root).installations():
            with suppress(SvccError, ValueError, OSError):  # this one is damaged, or something else
                current = installation.current
                reviewed = None if current is None else installation.generation(current.reviewed)
                kept = None if reviewed is None else installation.program(reviewed)
                if kept is not None:
                    return _compiled(record, kept.program())
    return None


def _compiled(record: Record, program: ir.Program) -> Taken:
    return compile_as(Compiled(record.target, record.bundle), program, record.node, record.release)


def _file(root: Path, release: int) -> Path:
    return root / f"fleet-{release}.program"

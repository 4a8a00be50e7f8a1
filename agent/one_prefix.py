"""What an agent follows stays under one prefix. Under another one it would leave the rules in the kernel to nobody, who
neither checks nor repairs them, and they would serve beside the new ones."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

from svcc.agent.source import ProgramSource
from svcc.apply.generation import Generation
from svcc.apply.installation import Installation
from svcc.apply.scope import scope_of_program
from svcc.apply.session import Session
from svcc.apply.state_files import StoreError
from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.errors import InputError


def check_early(session: Session, source: ProgramSource, program: ir.Program) -> None:
    """Check the same as :func:`check_prefix`, but for what cannot be told now. Errors: InputError."""
    with suppress(StoreError, OSError):
        check_prefix(session, source, program)


def check_prefix(session: Session, source: ProgramSource, program: ir.Program) -> None:
    """Check that nothing of a source is served under another prefix than its program has.

    Another session's prefix is its own affair: two files may have the same name in two folders. Errors: InputError,
    StoreError, OSError.
    """
    for prefix in other_prefixes(session.installations(), source, program):
        now = f"prefix {program.cluster.prefix}" if program.services else "no service"
        message = f"{source.name} is served here under prefix {prefix}, and has {now}"
        hint = f"to change its prefix, end the agent, `svcc delete --prefix {prefix}`, and start the agent again"
        raise InputError([Diagnostic(Code.NAME, message, program.cluster.spans.get("prefix"), hint, file=source.name)])


def other_prefixes(installations: Iterable[Installation], source: ProgramSource, program: ir.Program) -> Iterator[str]:
    """Yield the prefixes, other than the program's, under which something of a source is in the kernel."""
    own = scope_of_program(program).table
    for other in installations:
        if other.name == own:
            continue
        with suppress(StoreError):  # commands for that prefix report the damage
            current = other.current
            if current is not None and current.target is not None and _is_from(other, current, source):
                yield current.prefix


def _is_from(installation: Installation, current: Generation, source: ProgramSource) -> bool:
    reviewed = installation.generation(current.reviewed)
    origin = installation.origin(reviewed)
    if origin is not None:  # a command noted where it read the file
        return origin.sources.first == os.path.abspath(source.name)
    return source.made(reviewed.source)

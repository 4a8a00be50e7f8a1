"""Read what commands take as FILE. Whatever is wrong with it is printed, and ends the command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import click

from svcc.apply import wanted
from svcc.apply.wanted import OtherNode, Wanted
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.errors import InputError
from svcc.options import refuse, tell
from svcc.targets.interface import Target

_Read: TypeAlias = Callable[[str, Target, str | None], Wanted]


def read_input(file: str, target: Target, node: str | None, form: str, *, quiet: bool = False) -> Wanted:
    """Return FILE compiled: a program is compiled now, and a bundle was compiled before."""
    return _told(wanted.from_file, file, target, node, form, quiet=quiet)


def compile_file(file: str, target: Target, node: str | None, form: str, *, quiet: bool = False) -> Wanted:
    """Return FILE, which has to be a program, compiled."""
    return _told(wanted.from_program_file, file, target, node, form, quiet=quiet)


def _told(read: _Read, file: str, target: Target, node: str | None, form: str, *, quiet: bool) -> Wanted:
    with input_told(form, quiet=quiet):
        found = read(file, target, node)
    tell(found.warnings, form, quiet=quiet)
    return found


@contextmanager
def input_told(form: str, *, quiet: bool, warnings: Iterable[Diagnostic] = ()) -> Iterator[None]:
    """Print what is wrong with an input that is read inside the ``with`` block, and end the command then.

    ``warnings``: those about other inputs, which are printed in front.
    """
    try:
        yield
    except InputError as error:
        refuse([*warnings, *error.diagnostics], form, quiet=quiet)
    except OtherNode as error:
        raise click.UsageError(str(error)) from None

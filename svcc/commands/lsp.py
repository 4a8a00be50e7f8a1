"""``svcc lsp``: the language server, which an editor starts."""

from __future__ import annotations

import gc
import importlib.util
import os

import click

from svcc.exits import Exit
from svcc.help import examples
from svcc.state_options import fail

#: What the server needs beside what every command does.
_NEEDS = ("pygls", "lsprotocol")
#: Python looks for cycles when there are so many new objects, 700 by default. An answer about a large file is tens of
#: thousands of objects without a cycle: to look at all of them, again and again, took longer than to make the answer.
_NEW_OBJECTS = 100_000


@click.command("lsp", epilog=examples("svcc lsp"))
@click.option("--stdio", is_flag=True, help="Speak over standard input and output, which it does anyway.")
def command(stdio: bool) -> None:  # noqa: ARG001 - editors say so by habit
    """Answer an editor that edits programs: findings as one types, completion, help, names, layout.

    Speaks the Language Server Protocol over standard input and output.
    """
    if lacking := [name for name in _NEEDS if importlib.util.find_spec(name) is None]:
        fail(f"the language server needs {' and '.join(lacking)}: pip install 'svcc[lsp]'", Exit.MACHINE)
    from svcc.lsp.server import serve

    gc.enable()  # it runs for long
    gc.set_threshold(_NEW_OBJECTS)
    # The protocol has the two streams for itself: what else is printed, here or in other processes, goes to stderr.
    with os.fdopen(os.dup(0), "rb") as source, os.fdopen(os.dup(1), "wb") as sink:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        serve(source, sink)

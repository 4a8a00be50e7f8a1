"""``svcc lsp``: the language server, which an editor starts."""

from __future__ import annotations

import gc
import importlib.util
import os

import click

from svcc.exits import Exit
from svcc.help import examples
from svcc.state_options import fail

#: Libraries that only the language server needs.
_NEEDS = ("pygls", "lsprotocol")
#: How many new objects start the garbage collector; Python's default is 700. An answer about a large file has tens of
#: thousands of objects and no cycle. Searching all of them again and again took longer than making the answer.
_NEW_OBJECTS = 100_000


@click.command("lsp", epilog=examples("svcc lsp"))
@click.option("--stdio", is_flag=True, help="Speak over standard input and output, which it does anyway.")
def command(stdio: bool) -> None:  # noqa: ARG001 - editors give this option by habit
    """Answer an editor that edits programs: findings as one types, completion, help, names, layout.

    Speaks the Language Server Protocol over standard input and output.
    """
    if lacking := [name for name in _NEEDS if importlib.util.find_spec(name) is None]:
        fail(f"the language server needs {' and '.join(lacking)}: pip install 'svcc[lsp]'", Exit.MACHINE)
    from svcc.lsp.server import serve

    gc.enable()  # the server runs for long
    gc.set_threshold(_NEW_OBJECTS)
    # Only the protocol uses the two streams: other output, of this process and of those it starts, goes to stderr.
    with os.fdopen(os.dup(0), "rb") as source, os.fdopen(os.dup(1), "wb") as sink:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        serve(source, sink)

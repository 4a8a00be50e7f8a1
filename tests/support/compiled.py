"""Programs for ``svcc compile``, and a target's bundle of one without the command."""

from __future__ import annotations

from pathlib import Path

from svcc.compiler.load import load
from svcc.targets import Bundle, Target

PLAIN = "service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }\n"
#: A program that every target accepts; its IPv6 is empty, so some parts are empty, too.
V4 = "cluster { pods 100.64.0.0/24 }\nnode n { address 10.0.0.4 }\n" + PLAIN.replace("80/tcp", "80/tcp nodeport 30080")
BROKEN = PLAIN.replace("vip", "vpi")
UNUSED = "let x = 10.0.0.0/8\n" + PLAIN
UNSUPPORTED = UNUSED.replace("endpoints", "forward direct; endpoints")


def rendered(file: Path | str, target: Target) -> Bundle:
    """Return a program's bundle for its only node, or for none."""
    program = load(str(file)).program
    assert program is not None
    return target.render(program, program.nodes[0] if len(program.nodes) == 1 else None)

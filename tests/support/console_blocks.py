"""The blocks of documentation pages that show commands and their output.

A line ``…`` stands for any number of lines, and ``…`` within a line for any text.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from support.tools.project import ROOT

#: A command, and what the page shows of its output.
Shown = tuple[str, str]


def blocks_of(page: Path) -> list[list[Shown]]:
    """Return the commands of each block of a page, with their output."""
    blocks = re.findall(r"```console\n((?:.*\n)*?)```", page.read_text(encoding="utf-8"))
    return [re.findall(r"\$ (.+)\n((?:(?!\$ ).*\n)*)", block) for block in blocks]


def shows(shown: str, printed: str) -> bool:
    """Whether the page's text matches what a command printed."""
    lines = shown.splitlines(keepends=True)
    pattern = "".join(r"(?:.*\n)*?" if line == "…\n" else _line(line.rstrip()) + r" *\n" for line in lines)
    return re.fullmatch(pattern, printed) is not None


def _line(line: str) -> str:
    return ".*".join(map(re.escape, line.split("…")))


_MARK = "\N{RECORD SEPARATOR}"
#: This run has a /run of its own, for the state of svcc and its labs.
_SCRIPT = """
set -u
mount -t tmpfs tmpfs /run
trap 'svcc lab down' EXIT
"""


def play(blocks: Iterable[Iterable[Shown]], folder: Path = ROOT) -> None:
    """Run the commands of blocks one after the other in a shell, and check that they print what the page shows."""
    shown = [one for block in blocks for one in block]
    outputs = _printed([command for command, _ in shown], folder)
    assert len(outputs) == len(shown)
    for (command, said), printed in zip(shown, outputs, strict=True):
        assert shows(said, printed), f"{command} does not print\n{said}\nbut\n{printed}"


def _printed(commands: Iterable[str], folder: Path) -> list[str]:
    script = _SCRIPT + "".join(f"{command}\nprintf '{_MARK}'\n" for command in commands)
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout.split(_MARK)[:-1]

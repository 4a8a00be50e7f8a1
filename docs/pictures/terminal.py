"""Print docs/pictures/terminal.svg, the README's picture of a terminal: what svcc says to the commands below.

They are run on a terminal of their own (pty(7)), in a folder with the program alone, so that the picture has the
colours and the width of what a user sees. It loads no font: readers see it in their own.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

_WIDTH = 88
_PROGRAM = """\
service shop/web {
  vip       198.19.10.0
  port      80/tcp -> 8080
  schedular wrr
  endpoints { 100.64.0.9 weight 3; 100.64.0.19 }
}
"""
_COMMANDS = (
    "cat shop.dsl",
    "svcc check shop.dsl",
    "sed -i s/schedular/scheduler/ shop.dsl",
    "svcc check shop.dsl",
    "svcc compile shop.dsl --target ipvs --part ipvsadm",
    "svcc trace shop.dsl --target nft --from 10.0.0.9 --to 198.19.10.0:80/tcp | tail -n 3",
)

#: As rich has it, but for the frame, and without fonts from elsewhere.
_FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" class="rich-terminal" viewBox="0 0 {width} {height}" role="img">
<title>svcc in a terminal: a mistake at its place, what the program compiles to, and where a packet goes</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def _said(command: str, folder: str) -> Iterator[str]:
    """What a command prints on a terminal, with its colours, in pieces."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, _WIDTH, 0, 0))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": folder, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        ["sh", "-c", command], cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        try:
            while piece := os.read(ours, 65536):
                yield piece.decode()
        except OSError:  # EIO: nobody has the terminal open any more
            os.close(ours)


def picture() -> str:
    with TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        Path(folder, "shop.dsl").write_text(_PROGRAM)
        console = Console(width=_WIDTH, file=nowhere, record=True, color_system="truecolor", force_terminal=True)
        for command in _COMMANDS:
            console.print(Text.assemble(("$ ", "green"), (command, "bold")), soft_wrap=True)
            if said := "".join(_said(command, folder)).replace("\r\n", "\n"):
                console.print(Text.from_ansi(said.removesuffix("\n")), soft_wrap=True)
        return console.export_svg(title="", theme=MONOKAI, code_format=_FORMAT, unique_id="terminal")


if __name__ == "__main__":
    sys.stdout.write(picture())

"""The system's own tools, found as root's shell would find them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cached_property
from signal import Signals

#: Where the tools are on every distribution; a user's PATH often lacks sbin.
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find(tool: str) -> str | None:
    """The path of a tool, or None where the machine has none of that name."""
    return shutil.which(tool, path=os.pathsep.join((os.environ.get("PATH", os.defpath), *_SBIN)))


def run(argv: Sequence[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end with ``text`` as its input. Errors: FileNotFoundError where there is no such tool.

    A terminal's Ctrl-C does not reach it: what is begun is ended.
    """
    path = find(argv[0])
    if path is None:
        raise FileNotFoundError(argv[0])
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(
        [path, *argv[1:]],
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        check=False,
        process_group=0,
    )


class Running:
    """A tool that was begun, and goes on by itself. Errors: FileNotFoundError where there is no such tool.

    It writes to a file in memory: nobody need read meanwhile, and tools that print a listing in very small pieces are
    quicker than with a pipe.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        path = find(argv[0])
        if path is None:
            raise FileNotFoundError(argv[0])
        self._output = os.fdopen(os.memfd_create(argv[0]), "r+b")
        self._process = subprocess.Popen(
            [path, *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            process_group=0,
        )

    def __del__(self) -> None:
        """What nobody asks for any more need not go on."""
        if "_process" in vars(self) and "ended" not in vars(self):
            self._process.kill()
            self._process.communicate()
            self._output.close()

    @cached_property
    def ended(self) -> subprocess.CompletedProcess[bytes]:
        """Waits for the end, and for all that was printed."""
        with self._output as output:
            said = self._process.communicate()[1]
            output.seek(0)
            return subprocess.CompletedProcess(self._process.args, self._process.returncode, output.read(), said)


def version(tool: str) -> tuple[int, ...] | None:
    """The version that a tool prints, as numbers: (1, 0, 6); None where it says none or fails."""
    said = run([tool, "-V" if tool == "ip" else "--version"])
    found = re.search(r"\d+(?:\.\d+)+", said.stdout)
    return tuple(int(number) for number in found[0].split(".")) if found and not said.returncode else None


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """What a tool that failed said, on one line; of one that was killed, by which signal."""
    said = " ".join((done.stderr.strip() or done.stdout.strip()).split())
    if done.returncode < 0:
        return f"killed by {Signals(-done.returncode).name}" + (f": {said}" if said else "")
    return said or f"exit status {done.returncode}"

"""Run svcc in this process for most tests, and as the installed program for what only a process can show."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from support.waiting import LID
from svcc.command_line import svcc as command

#: The program as it was installed beside this Python.
PROGRAM = Path(sys.executable).with_name("svcc")


@dataclass(frozen=True, slots=True)
class Done:
    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()


def svcc(*arguments: object, stdin: str | bytes = b"") -> Done:
    """Run svcc in this process. An exception that no user should see fails the test."""
    separate = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    runner = CliRunner(**separate)  # type: ignore[arg-type,unused-ignore]
    result = runner.invoke(command, [str(a) for a in arguments], input=stdin, prog_name="svcc")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout_bytes, result.stderr)


def program(*arguments: object, stdin: bytes = b"", **more: Any) -> Done:
    """Run the installed program as a process."""
    done = subprocess.run(
        [PROGRAM, *map(str, arguments)], input=stdin, capture_output=True, check=False, timeout=LID, **more
    )
    return Done(done.returncode, done.stdout, done.stderr.decode("utf-8", "surrogateescape"))


def environment(**changes: str) -> Mapping[str, str]:
    """Return this test's environment with these changes, and without variables that change how Python and svcc
    print."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LC_", "LANG", "NO_COLOR", "COLUMNS"))}
    return kept | changes


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """Inside the ``with`` block, have the current directory at ``path``."""
    before = Path.cwd()
    os.chdir(path)
    try:
        yield path
    finally:
        os.chdir(before)

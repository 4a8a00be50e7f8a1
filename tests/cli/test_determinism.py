"""The same bytes from every Python: nothing depends on a release's hashing, dictionaries or formatting.

(Hash seeds, directories, locales and time zones are varied in unit/test_house_determinism.py; ``make pythons`` runs the
whole suite on other Pythons.) A Python that this machine lacks is reported as skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import lark
import pytest

from support.command_line import folder, svcc
from support.files import EXAMPLES, PROGRAMS
from support.tools.elsewhere import _find as find
from support.tools.project import ROOT
from support.tools.strict import lay_out
from support.waiting import LID
from svcc.targets import targets

_RUNNING = sys.version_info[1]
_PROGRAMS = [*EXAMPLES, *sorted(PROGRAMS.glob("*.dsl"))]

#: The whole command line once per program and target, in one process.
_SCRIPT = """
import os, sys
from svcc.command_line import svcc
for path in sys.argv[2:]:
    for target in sys.argv[1].split(","):
        print("====", path, target, flush=True)
        try:
            svcc.main(["compile", path, "--target", target], prog_name="svcc")
        except SystemExit as done:
            print("status", int(done.code or 0), flush=True)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """svcc as it is installed, and the two libraries that compiling takes, which are pure Python."""
    place = tmp_path_factory.mktemp("tree")
    lay_out(place)
    for library in (lark, click):
        package = Path(str(library.__file__)).parent
        (place / package.name).symlink_to(package)
    return place


@cache
def _compiled_here() -> bytes:
    """What the running Python prints, in this process."""
    chunks = []
    with folder(ROOT):
        for path in map(str, _PROGRAMS):
            for target in targets():
                done = svcc("compile", path, "--target", target)
                chunks += [f"==== {path} {target}\n".encode(), done.out, f"status {done.status}\n".encode()]
    return b"".join(chunks)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 12345])
@pytest.mark.parametrize("minor", [11, 12, 13, 14])
def test_every_python_compiles_the_same(minor: int, seed: int, tree: Path, tmp_path: Path) -> None:
    python = sys.executable if minor == _RUNNING else find(f"python3.{minor}")
    if python is None:
        pytest.skip(f"python3.{minor} is not on this machine: nothing was tried with it")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(tree), "PYTHONHASHSEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [python, "-P", "-s", "-c", _SCRIPT, ",".join(targets()), *map(str, _PROGRAMS)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, check=True, timeout=LID)
    assert done.stdout.decode() == _compiled_here().decode()


def test_there_is_something_to_compile() -> None:
    assert len(_compiled_here()) > 10_000
    assert b"status 0" in _compiled_here()

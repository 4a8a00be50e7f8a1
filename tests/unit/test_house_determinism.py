"""What svcc prints depends only on what it reads: not on hash seeds, clock, time zone, language or directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.files import EXAMPLES
from support.tools.project import ROOT

_SCRIPT = """
import sys
from svcc.compiler.load import load
from svcc.targets import targets
from svcc.targets.bundle import bundle_text
from svcc.targets.capability import check_target

for path in sys.argv[1:]:
    loaded = load(path)
    print(*loaded.diagnostics, sep="\\n")
    for node in [*loaded.program.nodes, None]:
        for name, target in targets().items():
            print("====", name, node and node.name)
            refused = list(check_target(loaded.program, target, node))
            print(refused or bundle_text(target.render(loaded.program, node)))
"""


def _compile(directory: Path, seed: int, **environment: str) -> bytes:
    environment = {**os.environ, **environment, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-P", "-W", "error", "-c", _SCRIPT, *map(str, EXAMPLES)]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, check=True).stdout


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_output_depends_on_input_alone(seed: int, tmp_path: Path) -> None:
    elsewhere = _compile(tmp_path, seed, TZ="Pacific/Chatham", LC_ALL="C", COLUMNS="40", HOME=str(tmp_path))
    assert elsewhere.decode() == _compile(ROOT, 0).decode()

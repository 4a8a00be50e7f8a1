"""Build svcc's wheel from a copy of the tree. A build inside the tree would leave files that the next one picks up."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from support.tools.project import ROOT


def build(into: Path) -> Path:
    """Build the wheel from the source distribution, and return it; both are left in ``into``."""
    shutil.rmtree(into, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "tree")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__"))
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), str(copy)]
        done = subprocess.run(
            command, cwd=scratch, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    (wheel,) = into.glob("*.whl")
    return wheel

"""Build a single file that Python runs: svcc and all that it needs, for the Pythons of all releases of Debian."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deb import RELEASES


def build_single_file(wheel: Path, made: Path) -> None:
    """Build the file ``made`` from svcc's wheel. Errors: CalledProcessError.

    At its first start the file unpacks itself below ~/.cache/pex, since svcc starts itself again where it keeps a lab
    or watches an apply.
    """
    abis = [f"--platform=linux_x86_64-cp-{r.python.replace('.', '')}-cp{r.python.replace('.', '')}" for r in RELEASES]
    command = [
        sys.executable,
        "-m",
        "pex",
        f"{wheel}[agent]",
        "--script=svcc",
        "--venv=prepend",
        f"--output-file={made}",
    ]
    shebang = ["--python-shebang=/usr/bin/env python3"]
    subprocess.run([*command, *shebang, *abis, "--no-build"], check=True)

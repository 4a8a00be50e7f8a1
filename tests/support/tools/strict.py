"""Check svcc's types: ``python -m support.tools.strict``; the exit status is mypy's.

The source's directories have other names than the packages. The import hooks of an editable install can follow that,
and mypy cannot. So it gets a tree of links laid out as svcc is installed, and its messages are printed with the
source's own file names.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.tools.project import ROOT, package_directories

#: Where mypy looks, as pyproject.toml says.
_TREE = ROOT / ".cache" / "mypy-tree"


def lay_out(into: Path) -> None:
    """Make ``into``/svcc anew: links to what is in svcc/, and one for each further directory of packages."""
    shutil.rmtree(into, ignore_errors=True)
    for package, directory in sorted(package_directories().items()):
        place = into.joinpath(*package.split("."))
        if package == "svcc":
            place.mkdir(parents=True)
            for entry in directory.iterdir():
                (place / entry.name).symlink_to(entry)
        else:
            place.symlink_to(directory)


def _own_name(match: re.Match[str]) -> str:
    return str((ROOT / match[0]).resolve().relative_to(ROOT))


def main() -> int:
    lay_out(_TREE)
    # Tests import each other by bare names, as under pytest; the benchmarks and packages do, too.
    return max(_check("-p", "svcc"), _check("tests", "bench", "packages", "ci", "docs"))


def _check(*what: str) -> int:
    path = os.pathsep.join(map(str, (_TREE, ROOT / "tests", ROOT / "bench", ROOT / "packages")))
    environment = {**os.environ, "MYPYPATH": path}
    command = [sys.executable, "-m", "mypy", *what]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    prefix = re.escape(str(_TREE.relative_to(ROOT)))
    print(re.sub(rf"^{prefix}[^:]*", _own_name, done.stdout, flags=re.MULTILINE), end="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())

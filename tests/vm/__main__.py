"""``python tests/vm [--oldest | --nf-tables] [--timeout SECONDS] COMMAND...``: run a command on a throw-away kernel,
for a look around; with tests of any kind as well, as in
``python tests/vm --nf-tables .venv/bin/pytest tests/vm/test_ipvs.py``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from support.vm.machine import Kernel, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/vm")
    kernels = parser.add_mutually_exclusive_group()
    for name, kernel, help in (
        ("--oldest", Kernel.OLDEST, "the oldest kernel that svcc supports for IPVS, which is slower"),
        ("--nf-tables", Kernel.NF_TABLES, "a kernel that has these beside IPVS, which is slowest"),
    ):
        kernels.add_argument(name, dest="kernel", action="store_const", const=kernel, default=Kernel.ANY, help=help)
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.command:
        parser.error("no command")
    outcome = run(options.command, options.timeout, options.kernel)
    sys.stdout.write(outcome.output)
    if outcome.trouble:
        sys.stderr.write(outcome.trouble)
    return outcome.status


sys.exit(main())

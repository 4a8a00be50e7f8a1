"""``python tests/vm [--nf-tables] [--timeout SECONDS] COMMAND...``: run a command on the throw-away kernel, for a look
around; with tests of any kind as well, as in ``python tests/vm --nf-tables .venv/bin/pytest tests/vm/test_ipvs.py``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from support.vm.machine import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/vm")
    parser.add_argument("--nf-tables", action="store_true", help="a kernel that has these beside IPVS, which is slower")
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not options.command:
        parser.error("no command")
    outcome = run(options.command, timeout=options.timeout, nf_tables=options.nf_tables)
    sys.stdout.write(outcome.output)
    if outcome.trouble:
        sys.stderr.write(outcome.trouble)
    return outcome.status


sys.exit(main())

"""The command line's entrance: ``svcc`` and ``python -m svcc``.

Little is imported before signals are heard: one that comes while the rest is imported ends svcc as any other does.
"""

from __future__ import annotations

import atexit
import os
import sys

from svcc import signals


def program() -> None:
    """Run the command line as all that this process is for: it ends here."""
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, int) and not _threads():
            _end(ended.code)
        raise


def main() -> None:
    """Run the command line; signals are caught before anything else is imported. Raises SystemExit with the status."""
    signals.install()
    from svcc.command_line import main as run

    run()


def _threads() -> bool:
    """Whether other threads are at work, which Python waits for."""
    threading = sys.modules.get("threading")  # not imported: there are none
    return threading is not None and threading.active_count() > 1


def _end(status: int) -> None:
    """End the process and leave its memory to the kernel: to free each object of a large program takes 0.15 s."""
    signals.end_tools()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    program()

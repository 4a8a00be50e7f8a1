"""The entry point of the command line: ``svcc`` and ``python -m svcc``.

Signals are caught before most modules are imported. So a signal that comes during the imports ends svcc as it does at
any other time.
"""

from __future__ import annotations

import atexit
import os
import sys

from svcc import signals


def program() -> None:
    """Run the command line, and end this process, which has no other purpose."""
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, int) and not _threads():
            _end(ended.code)
        raise


def main() -> None:
    """Run the command line; catch signals before anything else is imported. Raises SystemExit with the exit status."""
    signals.install()
    from svcc.command_line import main as run

    run()


def _threads() -> bool:
    """Whether other threads are running, for which Python waits at its end."""
    threading = sys.modules.get("threading")  # where it is not imported, there are none
    return threading is not None and threading.active_count() > 1


def _end(status: int) -> None:
    """End the process and leave its memory to the kernel: freeing each object of a large program takes 0.15 s."""
    signals.end_tools()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    program()

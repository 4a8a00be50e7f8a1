"""The command line's entrance: ``svcc`` and ``python -m svcc``.

Little is imported before signals are heard: one that comes while the rest is imported ends svcc as any other does.
"""

from __future__ import annotations

from svcc import signals


def main() -> None:
    """Run the command line; signals are caught before anything else is imported."""
    signals.install()
    from svcc.command_line import main as run

    run()


if __name__ == "__main__":
    main()

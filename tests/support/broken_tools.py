"""Tools that fail, first in PATH."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def broken_tools(folder: Path, *names: str) -> Iterator[None]:
    """Have tools of these names say that they are broken, and fail, inside the ``with`` block. ``folder``: where they
    are made."""
    tools = folder / "bin"
    tools.mkdir()
    for name in names:
        (tools / name).write_text("#!/bin/sh\necho it is broken >&2\nexit 1\n")
        (tools / name).chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tools), prepend=":")
        yield

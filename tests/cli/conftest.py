"""What tests of the commands share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.shell import Shell
from svcc.kernel.namespaces import Namespace


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A user on a node of its own."""
    namespace = Namespace("shell")
    try:
        yield Shell(namespace, tmp_path)
    finally:
        namespace.close()

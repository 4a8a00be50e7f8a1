"""What several tests in virtual machines begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.apply_world import World
from support.shell import Shell
from svcc.kernel.namespaces import Namespace


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A user on a node of its own, whose kernel has no nf_tables."""
    with closing(Namespace("node")) as namespace:
        yield Shell(namespace, tmp_path, nf_tables=False)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A node with IPVS; `svcc` has the node's state directory."""
    monkeypatch.setenv("SVCC_STATE_DIR", str(tmp_path / "state"))
    with closing(Namespace("node")) as namespace:
        yield World(namespace, tmp_path / "state", "legacy", ipvs=True, nft=False)

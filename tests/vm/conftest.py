"""What several tests in virtual machines begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support.apply_world import World
from svcc.kernel.namespaces import Namespace


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A node with IPVS; `svcc` has the node's state directory."""
    monkeypatch.setenv("SVCC_STATE_DIR", str(tmp_path / "state"))
    with closing(Namespace("node")) as namespace:
        yield World(namespace, tmp_path / "state", "legacy", ipvs=True, nft=False)

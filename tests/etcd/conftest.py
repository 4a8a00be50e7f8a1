"""Members of etcd that tests share, each test below a prefix of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.etcd import RELEASES, Cluster, cluster


@pytest.fixture(scope="session", params=RELEASES)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A member of each release that nobody ends or freezes."""
    release: str = request.param
    with cluster(tmp_path_factory.mktemp(release), release=release) as made:
        yield made


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """Keys that no other test has."""
    return f"/{request.node.name}/"

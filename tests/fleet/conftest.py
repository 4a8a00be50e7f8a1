"""What the tests of a fleet share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.etcd import Cluster, cluster


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An etcd of one member, for all tests of a file."""
    with cluster(tmp_path_factory.mktemp("etcd")) as made:
        yield made

"""An agent that follows a cluster's API on a node with IPVS: its own process, real servers, real connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cluster_site import a_site, follows

pytestmark = [pytest.mark.vm, pytest.mark.kernel]


def test_traffic_follows_the_slices_and_services_of_a_cluster(tmp_path: Path) -> None:
    with a_site(tmp_path, ipvs=True) as site:
        follows(site, "ipvs")

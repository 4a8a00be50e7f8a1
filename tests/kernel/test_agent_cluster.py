"""An agent that follows a cluster's API on a node of its own: its own process, real rules, real connections."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.cluster_site import Site, a_site, endpoint_slice, follows, node, service
from support.waiting import until

pytestmark = pytest.mark.kernel


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as made:
        yield made


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_traffic_follows_the_slices_and_services_of_a_cluster(site: Site, target: str) -> None:
    follows(site, target)


def test_load_balancers_are_told_how_many_endpoints_this_node_has(site: Site) -> None:
    local: dict[str, Any] = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    site.put("nodes", node("other", "10.0.0.5"))
    site.put("services", service(healthCheckNodePort=32100, **local))
    site.put("endpointslices", endpoint_slice(1, 2), endpoint_slice(3, name="web-2", node="other"))
    with site.agent():
        site.logged("answers load balancers service=shop/web port=32100")
        until(lambda: site.told(32100) == (200, "2", 2), "it is told of both, once the kernel has them")
        site.put("endpointslices", endpoint_slice(1, 2, node="other"))
        until(lambda: site.told(32100) == (503, "0", 0), "the load balancer is told that none is here")
        with site.shell.namespace.entered():
            other = socket.create_server(("0.0.0.0", 32101))
        site.put("services", service(healthCheckNodePort=32101, **local))
        site.logged("the health check port for load balancers cannot be opened service=shop/web port=32101")
        other.close()
        site.put("endpointslices", endpoint_slice(1))
        until(lambda: site.told(32101) == (200, "1", 1), "it is told once the port is free")
        assert site.told(32100) is None
    assert "healthCheckNodePort" not in site.said()

"""Finds the networks of pods, from what the Nodes say.

A cluster gives each node a network for its pods, ``podCIDR``. Some network plugins use it, others have networks of
their own. With the latter, endpoints that are no nodes lie in none of these networks, and nobody can tell where pods
are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import ip_network

from svcc.compiler import ir
from svcc.compiler.frontends import apart
from svcc.compiler.importers.kubernetes.objects import Node
from svcc.compiler.importers.kubernetes.remarks import Place, Remark
from svcc.compiler.importers.words import address

_VERSIONS = (4, 6)


class Pods:
    """The networks of pods, kept up to date as nodes and services change."""

    def __init__(self) -> None:
        self._said: tuple[dict[ir.Network, Place], set[ir.Address | None]] = {}, set()
        self._remarks: list[Remark] = []
        self._apart: dict[int, tuple[ir.Network, ...]] = dict.fromkeys(_VERSIONS, ())
        self._firsts: dict[int, list[int]] = {version: [] for version in _VERSIONS}
        #: For each family and Service, an endpoint that is in no network of pods.
        self._elsewhere: dict[int, dict[str, ir.Address]] = {version: {} for version in _VERSIONS}

    def take_nodes(self, nodes: Iterable[Node]) -> bool:
        """Take what the Nodes say, in the order of their names. Return whether it differs from before; if so, every
        Service has to be taken again.
        """
        own: set[ir.Address | None] = set()
        found: dict[ir.Network, Place] = {}
        self._remarks = []
        for node in nodes:
            own.update(address(word.text) for word in (*node.internal_ips, *node.external_ips))
            for word in node.pod_networks:
                place, network = Place(f"Node {node.name}", word.path), _network(word.text)
                if network is None:
                    self._remarks.append(Remark(place, f"`{word.text}` is not a network"))
                else:
                    found.setdefault(network, place)
        if (found, own) == self._said:
            return False
        self._said = found, own
        for version in _VERSIONS:
            self._apart[version] = apart(tuple(found), version)
            self._firsts[version] = [int(network.network_address) for network in self._apart[version]]
        return True

    def take_service(self, name: str, services: Iterable[ir.Service]) -> None:
        """Take the services that a Service became; none, where it is gone."""
        for version in _VERSIONS:
            outside = self._outside(services, version) if self._apart[version] else None
            if outside is None:
                self._elsewhere[version].pop(name, None)
            else:
                self._elsewhere[version][name] = outside

    def _outside(self, services: Iterable[ir.Service], version: int) -> ir.Address | None:
        networks, firsts, own = self._apart[version], self._firsts[version], self._said[1]
        for service in services:
            for endpoint in service.endpoints:
                if endpoint.address.version == version:
                    at = bisect_right(firsts, int(endpoint.address)) - 1
                    if (at < 0 or endpoint.address not in networks[at]) and endpoint.address not in own:
                        return endpoint.address
        return None

    @property
    def networks(self) -> tuple[ir.Network, ...]:
        """The networks without overlaps, v4 before v6; none of a family that has an endpoint outside them."""
        return tuple(n for version in _VERSIONS if not self._elsewhere[version] for n in self._apart[version])

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What svcc's `pods` does not carry over."""
        remarks = [*self._remarks]
        for version in _VERSIONS:
            if elsewhere := self._elsewhere[version]:
                endpoint = elsewhere[min(elsewhere)]
                why = f"endpoint {endpoint} is in no node's network of pods: write the networks of the pods in `pods`"
                remarks += (
                    Remark(place, why) for network, place in self._said[0].items() if network.version == version
                )
        return tuple(remarks)


def _network(text: str) -> ir.Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None

"""The networks of pods, by what is said of the nodes.

A cluster gives each node a network for its pods, ``podCIDR``. Some network plugins keep to it, others have networks of
their own: then an endpoint that is no node itself is in none of them, and nothing is known of where pods are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_network

from svcc.compiler import ir
from svcc.compiler.frontends import apart
from svcc.compiler.importers.kubernetes.objects import Node
from svcc.compiler.importers.kubernetes.remarks import Place, Remark
from svcc.compiler.importers.words import address


def pod_networks(
    nodes: Iterable[Node], services: Iterable[ir.Service]
) -> tuple[tuple[ir.Network, ...], tuple[Remark, ...]]:
    """The networks without overlaps, v4 before v6, and what is not carried over."""
    remarks: list[Remark] = []
    own: set[ir.Address | None] = set()
    found: dict[ir.Network, Place] = {}
    for node in nodes:
        own.update(address(word.text) for word in (*node.internal_ips, *node.external_ips))
        for word in node.pod_networks:
            place, network = Place(f"Node {node.name}", word.path), _network(word.text)
            if network is None:
                remarks.append(Remark(place, f"`{word.text}` is not a network"))
            else:
                found.setdefault(network, place)
    endpoints = [e.address for service in services for e in service.endpoints if e.address not in own]
    networks: list[ir.Network] = []
    for version in (4, 6):
        some = apart(tuple(found), version)
        elsewhere = next(_outside(endpoints, some, version), None) if some else None
        if elsewhere is None:
            networks += some
            continue
        why = f"endpoint {elsewhere} is in no node's network of pods: where pods are is not known, and `pods` says it"
        remarks += (Remark(place, why) for network, place in found.items() if network.version == version)
    return tuple(networks), tuple(remarks)


def _network(text: str) -> ir.Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _outside(endpoints: Iterable[ir.Address], networks: Iterable[ir.Network], version: int) -> Iterator[ir.Address]:
    known = list(networks)
    for endpoint in endpoints:
        if endpoint.version == version and not any(endpoint in network for network in known):
            yield endpoint

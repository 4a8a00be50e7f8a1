"""Bundles of this target: which addresses they have, and whether a given bundle is as the target prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network

from svcc.compiler import ir
from svcc.kernel.ipset.sets import Sets, parse_sets
from svcc.targets.interface import Accepted, Bundle, ServiceNetworks
from svcc.targets.ipvs.assembly import artifacts
from svcc.targets.ipvs.parts import IPSET
from svcc.targets.ipvs.read import read
from svcc.targets.ipvs.sets import Purpose, purpose_of
from svcc.targets.reading import Text, compare


def exclusive_addresses(bundle: Bundle) -> Iterator[ir.Address]:
    """Return the addresses of a bundle at which only services are reached; see
    :meth:`svcc.targets.interface.Target.exclusive_addresses`.
    """
    for name, one in _sets(bundle).items():
        if purpose_of(name) is Purpose.SERVICE_IP:
            yield from map(ip_address, one.elements)


def service_networks(bundle: Bundle) -> ServiceNetworks:
    """Return the networks of service addresses of a bundle; see
    :meth:`svcc.targets.interface.Target.service_networks`.
    """
    networks: set[ir.Network] = set()
    shared: set[ir.Address] = set()
    for name, one in _sets(bundle).items():
        match purpose_of(name):
            case Purpose.SERVICE_NET:
                networks.update(map(ip_network, one.elements))
            case Purpose.SHARED_IP:
                shared.update(map(ip_address, one.elements))
    return ServiceNetworks(frozenset(networks), frozenset(shared))


def _sets(bundle: Bundle) -> Sets:
    """Return the sets of a bundle, from which its text was printed, or as they are read from the text."""
    artifact = bundle.artifact(IPSET.name)
    if artifact is None:
        return {}
    return artifact.state if isinstance(artifact.state, dict) else parse_sets(artifact.text)


def accept(texts: Mapping[str, Text]) -> Accepted:
    """Read what the target printed, and refuse anything else; see :meth:`svcc.targets.interface.Target.accept`."""
    cluster, state = read(texts)
    made = artifacts(cluster, state)
    for artifact in made:
        compare(artifact.part.name, texts[artifact.part.name], artifact.text)
    device = cluster.vip_device if any(family.addresses for family in state) else None
    return Accepted(made, cluster.prefix if state else None, device)

"""The service addresses of a bundle of this target, and their networks."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from svcc.compiler import ir
from svcc.kernel.nft.reading import read_document
from svcc.kernel.nft.state import NftState
from svcc.targets.interface import Bundle, ServiceNetworks
from svcc.targets.nft import hooks
from svcc.targets.nft.parts import PART


def exclusive_addresses(bundle: Bundle) -> Iterator[ir.Address]:
    """Return the addresses of a bundle at which only services are reached; see
    :meth:`svcc.targets.interface.Target.exclusive_addresses`.
    """
    artifact = bundle.artifact(PART.name)
    if artifact is not None:
        state = artifact.state if isinstance(artifact.state, NftState) else read_document(artifact.text)
        for table in state.tables.values():
            if hooks.ADDRESSES.name in table.sets:
                yield from map(ip_address, table.sets[hooks.ADDRESSES.name].elements)


def service_networks(bundle: Bundle) -> ServiceNetworks:
    """Return the networks of service addresses of a bundle; see
    :meth:`svcc.targets.interface.Target.service_networks`.
    """
    artifact = bundle.artifact(PART.name)
    if artifact is None:
        return ServiceNetworks()
    state = artifact.state if isinstance(artifact.state, NftState) else read_document(artifact.text)
    sets = [table.sets for table in state.tables.values()]
    networks = [named.elements for one in sets if (named := one.get(hooks.SERVICE_NETWORKS.name))]
    shared = [named.elements for one in sets if (named := one.get(hooks.SERVICE_NETWORKS_SHARED.name))]
    return ServiceNetworks(
        frozenset(ip_network(text) for some in networks for text in some),
        frozenset(ip_address(text) for some in shared for text in some),
    )

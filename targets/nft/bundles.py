"""Bundles of this target: which addresses they have, and whether a given bundle is as the target prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network

from svcc.compiler import ir
from svcc.kernel.nft.language import in_language
from svcc.kernel.nft.reading import read_document
from svcc.kernel.nft.state import NftState
from svcc.targets import vip_device
from svcc.targets.interface import Accepted, Artifact, Bundle, Part, ServiceNetworks
from svcc.targets.nft import hooks
from svcc.targets.nft.parts import PART
from svcc.targets.nft.read import printed, read
from svcc.targets.nft.read_checks import TableCheck
from svcc.targets.nft.read_elements import check_elements
from svcc.targets.nft.read_json import name_of_tables
from svcc.targets.reading import Text


def with_part_in_language(bundle: Bundle, part: Part) -> Bundle:
    """Return the bundle with its rules in nft's own language. ``part``: the part in that language."""
    artifact = bundle.artifact(PART.name)
    if artifact is None or not isinstance(artifact.state, NftState):
        return bundle
    text = in_language(artifact.state, name_of_tables(artifact.text))
    other = Artifact(part, text, artifact.state)
    return replace(bundle, artifacts=tuple(other if one is artifact else one for one in bundle.artifacts))


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


def accept(target: str, texts: Mapping[str, Text]) -> Accepted:
    """Read what the target printed, and refuse anything else; see :meth:`svcc.targets.interface.Target.accept`."""
    name, tables, found = read(texts[PART.name])
    for table in tables:
        check = TableCheck(table)
        check.run()
        check_elements(table, check)
    rules = Artifact(PART, *printed(texts[PART.name], name, tables, found))
    own = {*exclusive_addresses(Bundle(target, None, (rules,)))}
    device = vip_device.read_device(texts[vip_device.IP.name])
    if device is not None and device.prefix.lower() != name:
        raise vip_device.another_prefix(texts[vip_device.IP.name], device, name.upper())
    announcing = vip_device.accept_announcing(texts, device, own)
    prefix = device.prefix if device else name.upper()
    return Accepted((rules, *announcing), prefix, device.name if device else None)

"""Bundles of this target in nft's own language, and whether a given bundle is as the target prints it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from svcc.kernel.nft.language import in_language
from svcc.kernel.nft.state import NftState
from svcc.targets import vip_device
from svcc.targets.interface import Accepted, Artifact, Bundle, Part
from svcc.targets.nft.addresses import exclusive_addresses
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

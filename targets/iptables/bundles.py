"""Checks whether a given bundle is as the target prints it."""

from __future__ import annotations

from collections.abc import Mapping

from svcc.targets import vip_device
from svcc.targets.interface import Accepted, Artifact, Bundle
from svcc.targets.iptables.addresses import exclusive_addresses
from svcc.targets.iptables.parts import SCRIPTS
from svcc.targets.iptables.read import check_script
from svcc.targets.reading import Text


def accept(target: str, texts: Mapping[str, Text]) -> Accepted:
    """Read what the target printed, and refuse anything else; see :meth:`svcc.targets.interface.Target.accept`."""
    found = {part: check_script(texts[part.name], version) for version, part in SCRIPTS.items()}
    prefixes = {prefix for prefix, _, _ in found.values() if prefix is not None}
    bits = {bit for _, _, marks in found.values() for bit in marks}
    if len(prefixes) > 1 or len(bits) > 1:
        what = "prefix" if len(prefixes) > 1 else "mark"
        raise texts[SCRIPTS[6].name].refused(f"the two families do not have the same {what}", 0, 1)
    artifacts = tuple(Artifact(part, script) for part, (_, script, _) in found.items())
    prefix = next(iter(prefixes), None)
    own = {*exclusive_addresses(Bundle(target, None, artifacts))}
    device = vip_device.read_device(texts[vip_device.IP.name])
    if device is not None and device.prefix != prefix:
        raise vip_device.another_prefix(texts[vip_device.IP.name], device, prefix)
    announcing = vip_device.accept_announcing(texts, device, own)
    return Accepted((*artifacts, *announcing), prefix, device.name if device else None)

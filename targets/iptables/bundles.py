"""Bundles of this target: which addresses they have, and whether a given bundle is as the target prints it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network

from svcc.compiler import ir
from svcc.kernel.xtables.state import State
from svcc.targets import vip_device
from svcc.targets.interface import Accepted, Artifact, Bundle, ServiceNetworks
from svcc.targets.iptables.parts import SCRIPTS
from svcc.targets.iptables.read import check_script
from svcc.targets.reading import Text

#: Matches rules that send all traffic of an address to a chain, and which chain that is.
_AT_ADDRESS = re.compile(r"^-A \S+ -d ([0-9a-f.:]+)/(?:32|128) -g (\S+)$", re.MULTILINE)
_REST = re.compile(r"^-A (\S+) -g (\S+-REJECT)$", re.MULTILINE)
#: Matches chains whose names end so: they let shared addresses pass, and reject the networks of service addresses
#: behind them.
_PASSING = re.compile(r"^-A \S+-UNSERVED -d ([0-9a-f.:]+)/(?:32|128) -j RETURN$", re.MULTILINE)
_NETWORK = re.compile(r"^-A \S+-UNSERVED -d ([0-9a-f.:]+/[0-9]+) -g \S+-REJECT$", re.MULTILINE)


def exclusive_addresses(bundle: Bundle) -> Iterator[ir.Address]:
    """Return the addresses of a bundle at which only services are reached; see
    :meth:`svcc.targets.interface.Target.exclusive_addresses`.
    """
    for artifact in bundle.artifacts:
        text = _filter_text(artifact)
        rejecting = {chain for chain, _ in _REST.findall(text)}
        for address, chain in _AT_ADDRESS.findall(text):
            if chain in rejecting or chain.endswith("-REJECT"):
                yield ip_address(address)


def _filter_text(artifact: Artifact, end: str = "") -> str:
    """Return the lines of the filter table's chains whose names end in ``end``.

    Where there is only a text, return all of it.
    """
    state = artifact.state
    if not isinstance(state, State):
        return artifact.text
    chains = state.tables["filter"].chains if "filter" in state.tables else {}
    return "".join(f"-A {chain} {rule}\n" for chain, rules in chains.items() if chain.endswith(end) for rule in rules)


def service_networks(bundle: Bundle) -> ServiceNetworks:
    """Return the networks of service addresses of a bundle; see
    :meth:`svcc.targets.interface.Target.service_networks`.
    """
    networks: set[ir.Network] = set()
    shared: set[ir.Address] = set()
    for artifact in bundle.artifacts:
        text = _filter_text(artifact, "-UNSERVED")
        networks.update(map(ip_network, _NETWORK.findall(text)))
        shared.update(map(ip_address, _PASSING.findall(text)))
    several = (network for network in networks if network.prefixlen < network.max_prefixlen)
    return ServiceNetworks(frozenset(several), frozenset(shared))  # a single address is among the exclusive ones


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

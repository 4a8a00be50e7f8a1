"""The service addresses of a bundle of this target, and their networks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from svcc.compiler import ir
from svcc.kernel.xtables.state import State
from svcc.targets.interface import Artifact, Bundle, ServiceNetworks

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

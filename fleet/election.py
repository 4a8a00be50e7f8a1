"""Which machine is to answer for an announced address that nobody holds.

Every machine computes this for itself, from what all of them see. etcd ensures that an address never has two holders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from hashlib import sha256


def successors(able: Mapping[str, Collection[str]], holders: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return for each address without a holder the machines that may take it, in order: if one does not take it, the
    next may.

    ``able``: by machine, the addresses for which it can answer; ``holders``: by address, the machine that holds it. An
    address that is held stays where it is. Each address has an order of its own (rendezvous hashing), so that few
    others move when a machine comes or goes; but a machine that has its share of the addresses already comes after
    those that have less.
    """
    machines = sorted(node for node, addresses in able.items() if addresses)
    addresses = sorted({address for node in machines for address in able[node]} | holders.keys())
    share = -(-len(addresses) // len(machines)) if machines else 0
    held = Counter(holders.values())
    found = {}
    for address in addresses:
        if address in holders:
            continue
        may = [node for node in machines if address in able[node]]
        may.sort(key=lambda node: (max(0, held[node] - share + 1), _weight(node, address)))
        found[address] = tuple(may)
        held[may[0]] += 1
    return found


def _weight(node: str, address: str) -> bytes:
    return sha256(f"{address} {node}".encode()).digest()

"""The keys of sets of intervals: which of them overlap."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from operator import itemgetter

from svcc.kernel.nft.state import Element

#: An interval's first and last number.
_Interval = tuple[int, int]
#: What a key stands for that is no address, network, port or range of ports: it may overlap any other.
_ALL = (0, 2**128)


def apart(some: Mapping[str, Element], others: Iterable[str]) -> dict[str, Element]:
    """Return those of ``some`` elements whose keys overlap no key of ``others``, of which none overlaps another.

    Only the last part of a key is an interval here; the parts before it are equal or differ.
    """
    taken: dict[str, list[_Interval]] = {}
    for key in others:
        head, interval = _split(key)
        taken.setdefault(head, []).append(interval)
    for intervals in taken.values():
        intervals.sort()
    return {key: element for key, element in some.items() if not _overlaps(key, taken)}


def _overlaps(key: str, taken: Mapping[str, list[_Interval]]) -> bool:
    head, (first, last) = _split(key)
    intervals = taken.get(head, [])
    before = bisect_right(intervals, last, key=itemgetter(0))  # as many begin where this one ends, or before
    return before > 0 and intervals[before - 1][1] >= first


def _split(key: str) -> tuple[str, _Interval]:
    """Return the parts of a key before the last one, and the numbers of the last one."""
    head, _, last = key.rpartition(" . ")
    first, _, end = last.partition("-")
    if first.isdigit() and (not end or end.isdigit()):
        return head, (int(first), int(end or first))
    try:
        network = ipaddress.ip_network(last)
    except ValueError:
        return head, _ALL
    return head, (int(network.network_address), int(network.broadcast_address))

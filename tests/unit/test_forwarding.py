"""Where packets are not forwarded, by the kernel's own rules (ip-sysctl; force_forwarding is of Linux 6.17)."""

from __future__ import annotations

import pytest

from svcc.apply import forwarding as module
from svcc.apply.forwarding import forwarding

#: Of each family: forwarding of all, of either device; the devices that are off, and the remedy for all that is.
CASES: list[tuple[int, str, str, str, list[str], list[str]]] = [
    (4, "1", "1", "1", [], []),
    (4, "0", "0", "0", ["lan", "wan.7"], ["sysctl -w net.ipv4.ip_forward=1"]),
    (4, "0", "1", "1", [], []),
    (4, "0", "1", "0", ["wan.7"], ["sysctl -w net.ipv4.conf.wan/7.forwarding=1"]),
    (4, "1", "0", "1", ["lan"], ["sysctl -w net.ipv4.conf.lan.forwarding=1"]),
    (6, "1", "0", "0", [], []),
    (6, "1", "", "", [], []),
    (6, "0", "", "", ["lan", "wan.7"], ["sysctl -w net.ipv6.conf.all.forwarding=1"]),
    (6, "0", "0", "1", ["lan"], ["sysctl -w net.ipv6.conf.lan.force_forwarding=1"]),
    (6, "0", "1", "1", [], []),
]


@pytest.mark.parametrize(("family", "every", "lan", "wan", "off", "remedies"), CASES)
def test_where_packets_are_not_forwarded(
    family: int,
    every: str,
    lan: str,
    wan: str,
    off: list[str],
    remedies: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_device = "forwarding" if family == 4 else "force_forwarding"  # an older kernel has no such key
    values = {
        "net.ipv4.ip_forward" if family == 4 else "net.ipv6.conf.all.forwarding": every,
        f"net.ipv{family}.conf.lan.{of_device}": lan,
        f"net.ipv{family}.conf.wan/7.{of_device}": wan,
    }
    monkeypatch.setattr(module, "value_of", values.__getitem__)
    monkeypatch.setattr("socket.if_nameindex", lambda: [(1, "lo"), (2, "wan.7"), (3, "lan")])
    found = forwarding(family)
    assert [*found.off] == off
    assert ([found.remedy()] if found.nowhere else [*map(found.remedy, found.off)]) == remedies

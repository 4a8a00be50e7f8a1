"""Kinds of addresses that no service, endpoint or node can have."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network

from svcc.compiler import ir

#: Networks of such addresses, and their names (RFC 1122 3.2.1.3, RFC 4291 2).
_RESERVED: tuple[tuple[ir.Network, str], ...] = (
    (IPv4Network("0.0.0.0/8"), "addresses of no host"),
    (IPv4Network("127.0.0.0/8"), "loopback addresses"),
    (IPv4Network("224.0.0.0/4"), "multicast addresses"),
    (IPv4Network("240.0.0.0/4"), "reserved addresses and the broadcast address"),
    (IPv6Network("::/8"), "reserved addresses and the loopback address"),
    (IPv6Network("fe80::/10"), "link-local addresses"),
    (IPv6Network("ff00::/8"), "multicast addresses"),
)


def unable(address: ir.Address) -> str | None:
    """Return why an address cannot serve, by its kind (RFC 1122 3.2.1.3, RFC 4291 2). Return None where it can."""
    number = int(address)
    if isinstance(address, IPv6Address):
        if 0x2000 <= number >> 112 < 0xFE80:
            return None
        if address.ipv4_mapped is not None:
            return f"an IPv4 address written as IPv6: write {address.ipv4_mapped}"
        if address.is_link_local:
            return "a link-local address, which means nothing beyond its link"
    elif 0 < number >> 24 < 224 and number >> 24 != 127:
        return None
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_loopback:
        return "a loopback address"
    if address.is_multicast:
        return "a multicast address"
    if isinstance(address, IPv6Address):
        return "reserved" if address.is_reserved else None
    return "the broadcast address" if number == 0xFFFF_FFFF else "reserved"


def unable_within(network: ir.Network) -> str | None:
    """Return the name of addresses in a network that cannot serve. Return None where there are none."""
    found = (what for reserved, what in _RESERVED if reserved.version == network.version and reserved.overlaps(network))
    return next(found, None)

"""Reads numbers, ports, addresses and networks as the tools' files write them."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address, ip_network

from svcc.compiler import ir
from svcc.verify.trace.flow import NUMBERS

#: Protocol numbers, by the names that the tools know (/etc/protocols).
PROTOCOLS = {
    "icmp": 1,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "esp": 50,
    "ah": 51,
    "udplite": 136,
    "dccp": 33,
    **{protocol.value: number for protocol, number in NUMBERS.items()},
}


#: How many parsed addresses and networks are remembered: artifacts name the same ones again and again.
KNOWN = 16_384


def number(text: str) -> int:
    """Return a decimal number, or one with 0x. Errors: ValueError."""
    return int(text, 16 if text[:2].lower() == "0x" else 10)


def port_range(text: str, separator: str) -> tuple[int, int]:
    """Return first and last port of ``80`` or ``5000:5099``. Errors: ValueError."""
    first, found, last = text.partition(separator)
    ports = (int(first), int(last if found else first))
    if not 0 <= ports[0] <= ports[1] <= 65535:
        raise ValueError(f"{text} is no port range")
    return ports


def protocol(text: str) -> int:
    """Return a protocol's number, from its name or the number itself. Errors: ValueError."""
    known = PROTOCOLS.get(text.lower())
    return int(text) if known is None else known


@lru_cache(KNOWN)
def address(text: str) -> ir.Address:
    """Return an address. Errors: ValueError."""
    return ip_address(text)


@lru_cache(KNOWN)
def network(text: str) -> ir.Network:
    """Return the network of an address, ADDRESS/LENGTH or ADDRESS/NETMASK. Host bits are cleared, as the tools do.

    Errors: ValueError.
    """
    return ip_network(text, strict=False)


def socket(text: str) -> tuple[ir.Address, int]:
    """Return address and port of ``10.0.0.1:80`` or ``[fd00::1]:80``. Errors: ValueError."""
    host, found, port = text.rpartition(":")
    if not found:
        raise ValueError(f"{text} has no port")
    if host.startswith("[") != (":" in host):
        raise ValueError(f"{text} is not ADDRESS:PORT")
    return address(host.removeprefix("[").removesuffix("]")), port_range(port, ":")[0] if ":" not in port else 0

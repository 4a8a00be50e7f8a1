"""Reads the elements of sets from text: addresses, networks and ports, as ``ipset save`` prints them."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_network
from socket import AF_INET, AF_INET6, inet_pton

from svcc.compiler import ir
from svcc.targets.ipvs.virtual import address_text

_SOCKET = re.compile(r"(?:(?:tcp|udp|sctp):)([1-9][0-9]{0,4})")
_FAMILIES = {4: AF_INET, 6: AF_INET6}


def number_of(address: str, version: int) -> int | None:
    """Return the number of an address that is written as ipset and ipvsadm print it. Return None where it is not."""
    try:
        number = int.from_bytes(inet_pton(_FAMILIES[version], address))
    except (OSError, ValueError):
        return None
    return number if address_text(number, version) == address else None


def sort_key(element: str) -> int:
    """Return the number of an address or a port."""
    return int(element) if element.isdigit() else number_of(element, 6 if ":" in element else 4) or 0


def element_fault(element: str, type: str, version: int, ports: ir.PortRange | None) -> str:
    """Return why the text is no element of a set of that type; "" where it is one."""
    if ports is not None:
        port = int(element) if re.fullmatch(r"[1-9][0-9]{0,4}", element) else 0
        return "" if ports.first <= port <= ports.last else f"no port from {ports}"
    kinds, parts = type.removeprefix("hash:").split(","), element.split(",")
    if len(kinds) != len(parts):
        return f"no element of a {type}"
    for kind, part in zip(kinds, parts, strict=True):
        if kind == "ip" and number_of(part, version) is None:
            return f"no element of a {type}: it needs an IPv{version} address as the kernel prints it"
        if kind == "port" and not _is_socket(part):
            return f"no element of a {type}: it needs PROTOCOL:PORT"
        if kind == "net" and not _is_network(part, version):
            return f"no element of a {type}: it needs an IPv{version} network as the kernel prints it"
    return ""


@lru_cache(maxsize=4096)
def _is_socket(text: str) -> bool:
    found = _SOCKET.fullmatch(text)
    return found is not None and int(found[1]) < 1 << 16


@lru_cache(maxsize=4096)
def _is_network(text: str, version: int) -> bool:
    if "/" not in text:
        return number_of(text, version) is not None
    try:
        network = ip_network(text)
    except ValueError:
        return False
    return network.version == version and 0 < network.prefixlen < network.max_prefixlen and str(network) == text

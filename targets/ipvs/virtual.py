"""IPVS virtual servers as this target makes them of services (ipvsadm(8))."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, ip_address
from socket import AF_INET, AF_INET6, inet_ntop

from svcc.compiler import ir
from svcc.kernel.ipvs.servers import GATEWAYING, MASQUERADING, PROTOCOLS, TUNNELLING, Settings, VirtualServer

#: How packets reach a real server, and further options. Without a word ipvsadm means direct routing.
FORWARD = {
    ir.Forward.MASQUERADE: (MASQUERADING, ""),
    ir.Forward.DIRECT: (GATEWAYING, ""),
    ir.Forward.TUNNEL: (TUNNELLING, " --tun-type ipip"),
}
_RANKS = {str(protocol): rank for rank, protocol in enumerate(ir.Protocol)}
#: sh refuses a client whose slot belongs to a draining server, unless it may try the next (ip_vs_sh.c).
_FALLBACK, _BY_PORT = {ir.Scheduler.SH: "sh-fallback"}, {ir.Scheduler.SH: "sh-port", ir.Scheduler.MH: "mh-port"}


#: The option of a real server that says how many connections it has at most.
MOST = " -x "

#: The option of a virtual server that gives each datagram a real server of its own.
ONE_PACKET = " -o"


def make_settings(
    scheduler: ir.Scheduler,
    affinity: int | None,
    *,
    network: tuple[int, int] | None = None,
    by_port: bool = False,
    one_packet: bool = False,
) -> Settings:
    """``affinity``: seconds; None: a client is not bound to an endpoint. ``network``: what counts as one client, its
    family and the length of its prefix; None: an address.
    """
    mask = f" -M {netmask(*network)}" if affinity is not None and network is not None else ""
    others = f"{mask}{ONE_PACKET if one_packet else ''}"
    flags = (_FALLBACK.get(scheduler, ""), _BY_PORT[scheduler] if by_port else "")
    return Settings(str(scheduler), affinity, ",".join(filter(None, flags)), others)


def netmask(version: int, length: int) -> str:
    """What counts as one client, as ipvsadm has it: a mask of IPv4, the length of a prefix of IPv6."""
    return str(IPv4Network((0, length)).netmask) if version == 4 else str(length)


def address_text(number: int, version: int) -> str:
    """An address as ipset and ipvsadm print it (inet_ntop(3)); in that, and for its speed, not ``str``."""
    return inet_ntop(AF_INET, number.to_bytes(4)) if version == 4 else inet_ntop(AF_INET6, number.to_bytes(16))


def element_of(key: str) -> str:
    """A virtual server as an element of a set (``hash:ip,port``)."""
    option, _, at = key.partition(" ")
    address, _, port = at.rpartition(":")
    return f"{address.strip('[]')},{PROTOCOLS[option]}:{port}"


def hairpin(number: int, text: str, protocol: str, port: int) -> tuple[int, str]:
    """An endpoint and its port, with itself as the client, as an element of a set (``hash:ip,port,ip``); before it a
    number by which such elements are sorted. ``number``, ``text``: the endpoint's address.

    Services share endpoints, and the place of a line must not depend on which of them comes first.
    """
    return number << 18 | _RANKS[protocol] << 16 | port, f"{text},{protocol}:{port},{text}"


def hairpins(servers: Iterable[VirtualServer]) -> list[str]:
    """Those of each endpoint that packets reach with another source, in their order.

    Under ``forward direct`` and ``tunnel`` sources stay what they are.
    """
    found: dict[int, str] = {}
    for virtual in servers:
        protocol = PROTOCOLS[virtual.key.partition(" ")[0]]
        for at, real in virtual.servers.items():
            if real.method == MASQUERADING:
                address, _, port = at.rpartition(":")
                text = address.strip("[]")
                place, element = hairpin(int(ip_address(text)), text, protocol, int(port))
                found[place] = element
    return [found[place] for place in sorted(found)]

"""IPVS virtual servers as this target makes them of services (ipvsadm(8))."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2s
from ipaddress import IPv4Network, ip_address
from socket import AF_INET, AF_INET6, inet_ntop

from svcc.compiler import ir
from svcc.kernel.ipvs.servers import GATEWAYING, MASQUERADING, TUNNELLING, Settings, VirtualServer, frontend_of
from svcc.kernel.steps import FrontendAddress

#: How packets reach a real server, and further options. Without a word ipvsadm means direct routing.
FORWARD = {
    ir.Forward.MASQUERADE: (MASQUERADING, ""),
    ir.Forward.DIRECT: (GATEWAYING, ""),
    ir.Forward.TUNNEL: (TUNNELLING, " --tun-type ipip"),
}
_RANKS = {str(protocol): rank for rank, protocol in enumerate(ir.Protocol)}
#: sh refuses a client whose slot belongs to a draining server, unless it may try the next (ip_vs_sh.c).
_FALLBACK, _BY_PORT = {ir.Scheduler.SH: "sh-fallback"}, {ir.Scheduler.SH: "sh-port", ir.Scheduler.MH: "mh-port"}


#: Ports of a range up to which each is a virtual server of its own on every address, with all the real servers. Of more
#: there is one, by a packet mark. Not of fewer: it cannot lead to other ports, and others lose the mark they have set.
RANGE_PORTS = 1024

#: The option of a real server that says how many connections it has at most.
MOST = " -x "

#: Bits that are alike in the marks of all services, and which: by them such a mark is told from others' and taken off.
#: Numbers of 31 bits, as ipvsadm prints more of them as negative ones.
_ALIKE, _OURS = 0x7C00_0000, 0x5400_0000
_HIGHEST = 0x7FFF_FFFF
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


def service_mark(cluster: ir.Cluster, name: str) -> int:
    """The mark that says to IPVS whose packet it is, drawn from the service's name and the cluster's prefix. It has not
    the bit that means "masquerade"."""
    drawn = int.from_bytes(blake2s(f"{cluster.prefix} {name}".encode(), digest_size=4).digest())
    return (drawn & _HIGHEST & ~_ALIKE | _OURS) & ~cluster.mark


def range_mark(cluster: ir.Cluster, service: str, address: str | None, protocol: ir.Protocol, first: int) -> int:
    """The mark of the packets to a large range of ports, where it is not the service's. ``address``: None of node
    ports, which have one on all addresses."""
    return service_mark(cluster, f"{service} {address or 'node'} {protocol}:{first}")


def by_mark(service: ir.Service) -> bool:
    """Whether IPVS knows the packets of a service by a mark: else it remembers clients by address and port."""
    return service.affinity is not None and service.affinity_per_service


def is_large(ports: ir.PortRange) -> bool:
    """Whether IPVS knows packets to a range by a mark."""
    return len(ports) > RANGE_PORTS


def is_large_range(frontends: Iterable[FrontendAddress]) -> bool:
    """Whether clients come there to one large range, at one address or at several."""
    ports: dict[str | None, list[int]] = {}
    protocols: set[str] = set()
    for frontend in frontends:
        ports.setdefault(frontend.address, []).append(frontend.port)
        protocols.add(frontend.protocol)
    first = next(iter(ports.values()), [])
    whole = bool(first) and first == [*range(first[0], first[0] + len(first))]
    return whole and len(first) > RANGE_PORTS and len(protocols) == 1 and all(own == first for own in ports.values())


def marks_alike(cluster_mark: int) -> tuple[int, int]:
    """The value and the mask of the bits that are alike in the marks of all services."""
    return _OURS & ~cluster_mark, _ALIKE & ~cluster_mark


def is_service_mark(mark: int, cluster_mark: int) -> bool:
    """Whether a mark can be a service's. ``cluster_mark``: the bit of the cluster that means "masquerade"."""
    value, mask = marks_alike(cluster_mark)
    return mark & mask == value and not mark & cluster_mark and mark <= _HIGHEST


def frontends_of(server: VirtualServer) -> tuple[FrontendAddress, ...]:
    """Where clients of a virtual server connect to."""
    frontend = frontend_of(server.key)
    return server.frontends if frontend is None else (frontend,)


def element_of(frontend: FrontendAddress) -> str:
    """Where clients connect to as an element of a set (``hash:ip,port``)."""
    return f"{_text_of(frontend.address or '')},{frontend.protocol}:{frontend.port}"


@lru_cache(maxsize=4096)
def _text_of(address: str) -> str:
    made = ip_address(address)
    return address_text(int(made), made.version)


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
        for at, real in virtual.servers.items():
            if real.method == MASQUERADING:
                address, _, port = at.rpartition(":")
                text = address.strip("[]")
                own = int(ip_address(text))
                for front in frontends_of(virtual):
                    number, element = hairpin(own, text, front.protocol, int(port) or front.port)
                    found[number] = element
    return [found[number] for number in sorted(found)]

"""The IPVS virtual servers that this target makes of services (ipvsadm(8))."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2s
from ipaddress import IPv4Network, ip_address
from socket import AF_INET, AF_INET6, inet_ntop

from svcc.compiler import ir
from svcc.kernel.ipvs.servers import GATEWAYING, MASQUERADING, TUNNELLING, Settings, VirtualServer, frontend_of
from svcc.kernel.steps import FrontendAddress

#: How packets reach a real server, with further options. Direct routing is ipvsadm's default.
FORWARD = {
    ir.Forward.MASQUERADE: (MASQUERADING, ""),
    ir.Forward.DIRECT: (GATEWAYING, ""),
    ir.Forward.TUNNEL: (TUNNELLING, " --tun-type ipip"),
}
_RANKS = {str(protocol): rank for rank, protocol in enumerate(ir.Protocol)}
#: sh refuses a client whose slot belongs to a draining server, unless it may try the next slot (ip_vs_sh.c). mh does so
#: as well: it keeps the slots of a server that had a weight before (ip_vs_mh.c, last_weight).
_FALLBACK = {ir.Scheduler.SH: "sh-fallback", ir.Scheduler.MH: "mh-fallback"}
_BY_PORT = {ir.Scheduler.SH: "sh-port", ir.Scheduler.MH: "mh-port"}


#: The most ports of a range for which each port is a virtual server on every address, with all real servers. A longer
#: range is one virtual server by a packet mark. Short ranges are not: such a server cannot lead to other ports, and
#: packets lose marks of others.
RANGE_PORTS = 1024
#: The most elements of sets, virtual servers and real servers that all ranges of a program may need together. A million
#: take some 100 MB of the kernel, and 400 MB of svcc.
RANGE_OBJECTS = 1_200_000

#: The option of a real server that limits its connections.
MOST = " -x "

#: The mask of the bits that are the same in the marks of all services, and their value. By them such marks can be
#: recognized and cleared. Marks have 31 bits, because ipvsadm prints larger numbers as negative.
_ALIKE, _OURS = 0x7C00_0000, 0x5400_0000
_HIGHEST = 0x7FFF_FFFF
#: The option of a virtual server that chooses a real server for each datagram.
ONE_PACKET = " -o"


def make_settings(
    scheduler: ir.Scheduler,
    affinity: int | None,
    *,
    network: tuple[int, int] | None = None,
    by_port: bool = False,
    one_packet: bool = False,
) -> Settings:
    """Return the settings of a virtual server. ``affinity``: seconds; None: a client is not bound to an endpoint.
    ``network``: what counts as one client, as its family and prefix length; None: an address.
    """
    mask = f" -M {netmask(*network)}" if affinity is not None and network is not None else ""
    others = f"{mask}{ONE_PACKET if one_packet else ''}"
    flags = (_FALLBACK.get(scheduler, ""), _BY_PORT[scheduler] if by_port else "")
    return Settings(str(scheduler), affinity, ",".join(filter(None, flags)), others)


def netmask(version: int, length: int) -> str:
    """Return what counts as one client in ipvsadm's form: a netmask for IPv4, a prefix length for IPv6."""
    return str(IPv4Network((0, length)).netmask) if version == 4 else str(length)


def address_text(number: int, version: int) -> str:
    """Return an address as ipset and ipvsadm print it (inet_ntop(3)).

    ``str`` prints some addresses in another way, and is slower.
    """
    return inet_ntop(AF_INET, number.to_bytes(4)) if version == 4 else inet_ntop(AF_INET6, number.to_bytes(16))


def service_mark(cluster: ir.Cluster, name: str) -> int:
    """Return the mark that tells IPVS which service a packet is for. It follows from the service's name and the
    cluster's prefix, and does not contain the bit that means "masquerade".
    """
    drawn = int.from_bytes(blake2s(f"{cluster.prefix} {name}".encode(), digest_size=4).digest())
    return (drawn & _HIGHEST & ~_ALIKE | _OURS) & ~cluster.mark


def range_mark(cluster: ir.Cluster, service: str, address: str | None, protocol: ir.Protocol, first: int) -> int:
    """Return the mark of packets to a large range of ports, where the service as a whole has no mark. ``address``: None
    for node ports, which have one mark on all addresses.
    """
    return service_mark(cluster, f"{service} {address or 'node'} {protocol}:{first}")


def by_mark(service: ir.Service) -> bool:
    """Whether IPVS knows the packets of a service by a mark.

    For other services, it remembers clients by address and port.
    """
    return service.affinity is not None and service.affinity_per_service


def is_large(ports: ir.PortRange) -> bool:
    """Whether IPVS knows packets to a range by a mark, because the range is large."""
    return len(ports) > RANGE_PORTS


def is_large_range(frontends: Iterable[FrontendAddress]) -> bool:
    """Whether these frontends are one large range, at one address or at several."""
    ports: dict[str | None, list[int]] = {}
    protocols: set[str] = set()
    for frontend in frontends:
        ports.setdefault(frontend.address, []).append(frontend.port)
        protocols.add(frontend.protocol)
    first = next(iter(ports.values()), [])
    whole = bool(first) and first == [*range(first[0], first[0] + len(first))]
    return whole and len(first) > RANGE_PORTS and len(protocols) == 1 and all(own == first for own in ports.values())


def marks_alike(cluster_mark: int) -> tuple[int, int]:
    """Return the value and the mask of the bits that are the same in the marks of all services."""
    return _OURS & ~cluster_mark, _ALIKE & ~cluster_mark


def is_service_mark(mark: int, cluster_mark: int) -> bool:
    """Whether a mark can be a service's. ``cluster_mark``: the cluster's bit that means "masquerade"."""
    value, mask = marks_alike(cluster_mark)
    return mark & mask == value and not mark & cluster_mark and mark <= _HIGHEST


def frontends_of(server: VirtualServer) -> tuple[FrontendAddress, ...]:
    """Return the addresses and ports where clients of a virtual server connect."""
    frontend = frontend_of(server.key)
    return server.frontends if frontend is None else (frontend,)


def element_of(frontend: FrontendAddress) -> str:
    """Return a frontend's address and port as an element of a set (``hash:ip,port``)."""
    return f"{_text_of(frontend.address or '')},{frontend.protocol}:{frontend.port}"


@lru_cache(maxsize=4096)
def _text_of(address: str) -> str:
    made = ip_address(address)
    return address_text(int(made), made.version)


def hairpin(number: int, text: str, protocol: str, port: int) -> tuple[int, str]:
    """Return an endpoint and its port, with itself as the client, as an element of a set (``hash:ip,port,ip``), and
    before it the number by which such elements are sorted. ``number``, ``text``: the endpoint's address.

    The order does not depend on the services, because several may share an endpoint.
    """
    return number << 18 | _RANKS[protocol] << 16 | port, f"{text},{protocol}:{port},{text}"


def hairpins(servers: Iterable[VirtualServer]) -> list[str]:
    """Return, in order, the hairpins of each endpoint whose packets have their source rewritten.

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

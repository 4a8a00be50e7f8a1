"""IPVS virtual servers and their real servers, as ``ipvsadm-save -n`` prints them (ipvsadm(8))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, inet_ntop
from typing import NamedTuple

from svcc.compiler import ir

#: The option that names a virtual server of a protocol.
SERVICE = {ir.Protocol.TCP: "-t", ir.Protocol.UDP: "-u", ir.Protocol.SCTP: "--sctp-service"}
#: How packets reach a real server, and what follows its weight. Without a word ipvsadm means direct routing.
FORWARD = {
    ir.Forward.MASQUERADE: ("-m", ""),
    ir.Forward.DIRECT: ("-g", ""),
    ir.Forward.TUNNEL: ("-i", " --tun-type ipip"),
}
#: sh refuses a client whose slot belongs to a draining server, unless it may try the next (ip_vs_sh.c).
_SCHEDULER_FLAGS = {ir.Scheduler.SH: " -b sh-fallback"}


class RealServer(NamedTuple):
    address: str  # with its port: "100.64.0.9:8080", "[fd00:64::9]:8080"
    weight: int  # 0: serves the connections that it has


@dataclass(frozen=True, slots=True)
class VirtualServer:
    protocol: ir.Protocol
    address: str  # with its port
    scheduler: ir.Scheduler
    persistence: int | None  # seconds
    forward: ir.Forward
    servers: tuple[RealServer, ...]

    def lines(self) -> Iterator[str]:
        service = f"{SERVICE[self.protocol]} {self.address}"
        persistence = "" if self.persistence is None else f" -p {self.persistence}"
        yield f"-A {service} -s {self.scheduler}{persistence}{_SCHEDULER_FLAGS.get(self.scheduler, '')}\n"
        forward, tail = FORWARD[self.forward]
        for address, weight in self.servers:
            yield f"-a {service} -r {address} {forward} -w {weight}{tail}\n"


def restore_text(servers: Iterable[VirtualServer]) -> str:
    """What ``ipvsadm -R`` reads. It takes no comments."""
    return "".join(line for server in servers for line in server.lines())


def address_text(number: int, version: int) -> str:
    """An address as ipset and ipvsadm print it (inet_ntop(3)); in that, and for its speed, not ``str``."""
    return inet_ntop(AF_INET, number.to_bytes(4)) if version == 4 else inet_ntop(AF_INET6, number.to_bytes(16))


def server_element(server: VirtualServer) -> str:
    """A virtual server as an element of a set (``hash:ip,port``)."""
    address, _, port = server.address.rpartition(":")
    return f"{address.strip('[]')},{server.protocol}:{port}"


def socket_text(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

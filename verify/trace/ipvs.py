"""IPVS: reads virtual services and real servers as ``ipvsadm -R`` does (ipvsadm(8)), and chooses among them.

Shares are nominal: where a scheduler follows the load, every server that takes connections has a share by its weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from svcc.compiler import ir
from svcc.verify.packet import Refusal
from svcc.verify.trace import values
from svcc.verify.trace.faults import ArtifactLine
from svcc.verify.trace.flow import NUMBERS, Binding, Draw, Flow, Stopped
from svcc.verify.trace.lines import Reader, Words

#: The seconds that ``-p`` means without a number, and the most seconds (ipvsadm(8)).
_PERSISTENCE, _MAX_PERSISTENCE = 300, 31 * 86_400
_MAX_WEIGHT = 65_535

#: Schedulers by how they share connections: evenly among the servers with a weight, evenly among all, only among the
#: heaviest, or by weight.
_EVEN = frozenset({"rr", "lc"})
_EVEN_AMONG_ALL = frozenset({"dh"})
_HEAVIEST = frozenset({"fo"})
_BY_WEIGHT = frozenset({"wrr", "sh", "mh", "wlc", "lblc", "lblcr", "sed", "nq", "ovf", "twos"})
#: Schedulers that also hash to servers of weight 0. Without this flag they refuse the clients that belong there
#: (ip_vs_sh_reassign).
_FALLBACKS: Mapping[str, str] = {"sh": "sh-fallback"}
_FLAGS: Mapping[str, frozenset[str]] = {
    "sh": frozenset({"sh-fallback", "sh-port"}),
    "mh": frozenset({"mh-fallback", "mh-port"}),
}
_DRAWS = {"rr": Draw.TURN, "wrr": Draw.TURN, "sh": Draw.CLIENT, "mh": Draw.CLIENT}
_METHODS = {"-m": "masq", "--masquerading": "masq", "-g": "direct", "--gatewaying": "direct", "-i": "tunnel"}
_METHODS["--ipip"] = "tunnel"

#: A protocol number, an address and a port; or a packet mark and the family.
Key: TypeAlias = tuple[int, ir.Address, int] | tuple[int, int]


@dataclass(frozen=True, slots=True)
class RealServer:
    """A server of a virtual service, and the line that adds it."""

    place: ArtifactLine
    address: ir.Address
    port: int
    weight: int
    method: str
    most: int = 0  # the limit of connections; 0: there is none


@dataclass(slots=True)
class VirtualService:
    """A virtual service without its servers, and the line that adds it."""

    place: ArtifactLine
    key: Key
    scheduler: str
    persistence: int | None
    prefix: int  # the prefix length of what persistence counts as one client
    flags: frozenset[str]
    one_packet: bool = False
    servers: list[RealServer] = field(default_factory=list)
    _shares: list[tuple[RealServer, Fraction]] | None = None

    @property
    def draw(self) -> Draw:
        """How the service chooses a server for a connection."""
        by_port = f"{self.scheduler}-port" in self.flags
        return Draw.CONNECTION if by_port else _DRAWS.get(self.scheduler, Draw.OTHER)

    def add(self, server: RealServer) -> None:
        """Add a server to the service."""
        self.servers.append(server)
        self._shares = None

    def shares(self) -> list[tuple[RealServer, Fraction]]:
        """Return the share of each server. A server of weight 0 refuses its share."""
        if self._shares is None:
            self._shares = self._shared()
        return self._shares

    def _shared(self) -> list[tuple[RealServer, Fraction]]:
        if not self.servers:
            return []
        if self.scheduler in _EVEN:
            parts = [(server, int(server.weight > 0)) for server in self.servers]
        elif self.scheduler in _EVEN_AMONG_ALL:
            parts = [(server, 1) for server in self.servers]
        elif self.scheduler in _HEAVIEST:
            heaviest = max(server.weight for server in self.servers)
            parts = [(server, int(server.weight == heaviest > 0)) for server in self.servers]
        elif _FALLBACKS.get(self.scheduler, "") in ("", *self.flags):
            parts = [(server, server.weight) for server in self.servers]
        else:  # a slot at least (ip_vs_sh_reassign)
            parts = [(server, max(server.weight, 1)) for server in self.servers]
        total = sum(part for _, part in parts)
        return [(server, Fraction(part, total)) for server, part in parts if part]


class Ipvs:
    """The virtual services of a node."""

    def __init__(self) -> None:
        self.services: dict[Key, VirtualService] = {}

    # ---- the packet

    def take(self, flow: Flow) -> bool:
        """Choose a real server (ip_vs_in_hook). Return False where no virtual service is for the packet. Errors:
        Stopped, where it has no server.
        """
        binding = flow.binding
        if binding is not None:
            if binding.by_ipvs:
                self._send(flow, self._bound(flow, binding))
            return binding.by_ipvs
        service = self._find(flow)
        if service is None:
            return False
        flow.note(service_text(service), service.place)
        flow.one_packet = service.one_packet
        self._send(flow, self._schedule(service, flow))
        return True

    def _bound(self, flow: Flow, binding: Binding) -> RealServer:
        """Return the real server of a connection. Errors: Stopped, where it is no server any more (ip_vs_in_hook)."""
        found = self._find(flow)
        # After a choice by mark, later packets have no mark that shows their service.
        by_mark = [service for key, service in self.services.items() if len(key) == 2 and key[1] == flow.version]
        for service in [found, *by_mark] if found else by_mark:
            for server in service.servers:
                same = server.address == binding.address and (server.port or flow.port) == binding.port
                if same and binding.method in ("", server.method):
                    return server
        flow.note(f"{_socket_text(binding.address, binding.port)} is no real server any more")
        raise Stopped(Refusal.DROP)

    def _find(self, flow: Flow) -> VirtualService | None:
        """Return the service of a packet: by mark, then by address and port, then by address alone
        (ip_vs_service_find).
        """
        keys: tuple[Key, ...] = (
            (flow.mark or -1, flow.version),
            (flow.protocol, flow.destination, flow.port),
            (flow.protocol, flow.destination, 0),
        )
        return next((self.services[key] for key in keys if key in self.services), None)

    def _schedule(self, service: VirtualService, flow: Flow) -> RealServer:
        owner, client = ("ipvs", service.key), 0
        if service.persistence is not None:
            cut = flow.packet.source.max_prefixlen - service.prefix
            client = int(flow.sender(service.place)) >> cut << cut
            entry = flow.recall(owner, client)
            kept = None if entry is None else next((s for s in service.servers if s == entry.data and s.weight), None)
            if kept is not None:
                flow.note("the client keeps its real server", service.place)
                flow.remember(owner, client, service.persistence, kept)
                return kept
        shares = service.shares()
        flow.draws.add((service.draw, service.place))
        chosen = shares[flow.chance.pick([share for _, share in shares])][0] if shares else None
        if chosen is None or chosen.weight == 0:
            flow.note("no real server takes the connection", service.place)
            flow.answer = "icmp-port-unreachable" if flow.version == 4 else "icmp6-port-unreachable"
            raise Stopped(Refusal.REJECT)  # ip_vs_leave
        if service.persistence is not None:
            flow.remember(owner, client, service.persistence, chosen)
        return chosen

    @staticmethod
    def _send(flow: Flow, server: RealServer) -> None:
        if server.place.part:
            flow.note(server_text(server), server.place)
        flow.by_ipvs, flow.most = server.address, server.most
        flow.tunnelled = server.method == "tunnel"
        if server.method == "masq":
            flow.destination, flow.port = server.address, server.port or flow.port

    # ---- reading

    def add_service(self, words: Words) -> None:
        """Execute ``ipvsadm -A``. Errors: LoadError, UnknownRule."""
        key = _key(words)
        scheduler, persistence, prefix, flags = "wlc", None, 0, frozenset[str]()
        prefix = 32 if _version(key) == 4 else 128
        one_packet = False
        while words:
            option = words.take()
            if option in ("-s", "--scheduler"):
                scheduler = words.take("the scheduler")
            elif option in ("-p", "--persistent"):
                bare = not words.peek().isdigit()
                persistence = _PERSISTENCE if bare else words.value(words.take(), int)
            elif option in ("-b", "--sched-flags"):
                flags = frozenset(words.take("the flags").split(","))
            elif option in ("-M", "--netmask"):
                prefix = words.value(words.take("the mask"), _mask)
            elif option in ("-o", "--ops"):
                one_packet = True
            else:
                raise words.unknown(option)
        if scheduler not in _EVEN | _EVEN_AMONG_ALL | _HEAVIEST | _BY_WEIGHT:
            raise words.unknown(scheduler)
        if flags - _FLAGS.get(scheduler, frozenset()):
            raise words.unknown(min(flags - _FLAGS.get(scheduler, frozenset())))
        if persistence is not None and not 1 <= persistence <= _MAX_PERSISTENCE:
            raise words.refused(f"-p is from 1 to {_MAX_PERSISTENCE} seconds")
        if len(key) == 3 and key[2] == 0 and persistence is None:
            raise words.refused("port 0 needs persistence")
        if one_packet and len(key) == 3 and key[0] != NUMBERS[ir.Protocol.UDP]:
            raise words.refused("one-packet scheduling is for UDP alone")
        if key in self.services:
            raise words.refused("the virtual service is there already")
        self.services[key] = VirtualService(words.place, key, scheduler, persistence, prefix, flags, one_packet)

    def add_server(self, words: Words) -> None:
        """Execute ``ipvsadm -a``. Errors: LoadError, UnknownRule."""
        key = _key(words)
        service = self.services.get(key)
        if service is None:
            raise words.refused("there is no such virtual service")
        address: ir.Address | None = None
        port, weight, method, most = 0, 1, "direct", 0
        while words:
            option = words.take()
            if option in ("-r", "--real-server"):
                address, port = words.value(words.take("the real server"), _server_socket)
            elif option in ("-w", "--weight"):
                weight = words.value(words.take("the weight"), int)
            elif option in ("-x", "--u-threshold"):
                most = words.value(words.take("the limit"), int)
            elif option in _METHODS:
                method = _METHODS[option]
            elif option == "--tun-type" and words.peek() == "ipip":
                words.take()
            else:
                raise words.unknown(option)
        if address is None or address.version != _version(key):
            raise words.refused("a real server of the service's family is missing")
        if not 0 <= weight <= _MAX_WEIGHT:
            raise words.refused(f"weights are from 0 to {_MAX_WEIGHT}")
        if len(key) == 3 and (method != "masq" or port == 0):
            port = key[2]  # without address translation the port cannot change
        if any((server.address, server.port) == (address, port) for server in service.servers):
            raise words.refused("the real server is there already")
        service.add(RealServer(words.place, address, port, weight, method, most))


def read(part: str, text: str, ipvs: Ipvs) -> None:
    """Add services as ``ipvsadm -R`` does. Errors: TraceError."""
    for words in Reader(part, text):
        verb = words.take()
        if verb in ("-A", "--add-service"):
            ipvs.add_service(words)
        elif verb in ("-a", "--add-server"):
            ipvs.add_server(words)
        else:
            raise words.unknown(verb)


_PROTOCOLS = {
    "-t": ir.Protocol.TCP,
    "--tcp-service": ir.Protocol.TCP,
    "-u": ir.Protocol.UDP,
    "--udp-service": ir.Protocol.UDP,
    "--sctp-service": ir.Protocol.SCTP,
}


def _key(words: Words) -> Key:
    kind = words.take("the virtual service")
    if kind in _PROTOCOLS:
        return NUMBERS[_PROTOCOLS[kind]], *words.value(words.take("the virtual service"), values.socket)
    if kind not in ("-f", "--fwmark-service"):
        raise words.unknown(kind)
    mark = words.value(words.take("the mark"), int)
    if words.peek() in ("-6", "--ipv6"):
        words.take()
        return mark, 6
    return mark, 4


def _version(key: Key) -> int:
    return key[1] if len(key) == 2 else key[1].version


def _mask(text: str) -> int:
    """Return the prefix length of a client mask."""
    return int(text) if text.isdigit() else values.network(f"0.0.0.0/{text}").prefixlen


def _server_socket(text: str) -> tuple[ir.Address, int]:
    """Return address and port of ADDRESS or ADDRESS:PORT."""
    try:
        return values.address(text), 0
    except ValueError:
        return values.socket(text)


# ---- as text


def service_text(service: VirtualService) -> str:
    """Return a virtual service as a trace shows it."""
    key = service.key
    where = f"mark {key[0]:#x}" if len(key) == 2 else f"{_socket_text(key[1], key[2])}"
    kept = "" if service.persistence is None else f", clients kept for {service.persistence} s"
    each = ", anew for each packet" if service.one_packet else ""
    return f"virtual service {where}, scheduler {service.scheduler}{kept}{each}"


def server_text(server: RealServer) -> str:
    """Return a real server as a trace shows it."""
    return f"real server {_socket_text(server.address, server.port)}, {server.method}, weight {server.weight}"


def _socket_text(address: ir.Address, port: int) -> str:
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"

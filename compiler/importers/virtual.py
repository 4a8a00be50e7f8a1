"""Virtual servers and their real servers, from whatever program balances them, and the services that they become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network

from svcc.compiler import ir
from svcc.compiler.health_checks import service_ports
from svcc.compiler.importers.interface import Note
from svcc.compiler.importers.names import Names
from svcc.compiler.source import Span

#: Why a virtual server of all ports is not carried over. Ports of the address that others have come before it.
ALL_PORTS = "import takes no service of all ports; in svcc they are `1-65535`, and no other service has one of them"
#: Why settings of IPVS as a whole are not carried over.
TIMEOUTS = "svcc sets no time-outs of the kernel's connections"
SYNCHRONISES = "svcc synchronises no connections with other machines"
#: Why a lower limit of connections is not carried over (ip_vs_ctl.c: without one, three quarters of the upper limit).
_LOWER_LIMIT = "an endpoint is full until it has three quarters of its max-connections"
#: Why a hash without the flag is not quite svcc's (ip_vs_sh.c, ip_vs_mh.c).
_NO_FALLBACK = (
    "without {scheduler}-fallback IPVS refuses clients of a server that drains or is full; svcc gives them another"
)
#: The longest affinity that svcc's language allows, in seconds.
_DAY = 86_400
#: IPVS's schedulers, all of which the language has. The language's `random` is not among them.
SCHEDULERS = {scheduler.value: scheduler for scheduler in ir.Scheduler if scheduler is not ir.Scheduler.RANDOM}


@dataclass(frozen=True, slots=True)
class Server:
    """A real server."""

    address: ir.Address
    port: int  # 0: the port that the client asked for
    weight: int
    forward: ir.Forward
    span: Span
    backup: bool = False
    most: int | None = None  # the most connections


@dataclass(frozen=True, slots=True)
class Front:
    """What a virtual server listens on: an address with ports of a protocol."""

    address: ir.Address
    protocol: ir.Protocol
    ports: ir.PortRange
    span: Span

    @property
    def port(self) -> tuple[ir.Protocol, ir.PortRange]:
        """The protocol and ports, without the address."""
        return self.protocol, self.ports


@dataclass(frozen=True, slots=True)
class Virtual:
    """A virtual server that listens on one or more fronts, and leads all of them to the same real servers."""

    name: str  # the name of the service that it becomes, or of the first of them
    fronts: tuple[Front, ...]
    servers: tuple[Server, ...]
    scheduler: ir.Scheduler
    affinity: int | None
    span: Span
    masquerade: ir.Masquerade = ir.Masquerade.NEVER  # IPVS itself changes no client's address
    allow_from: tuple[ir.Network, ...] = ()
    scheduler_by: ir.HashBy = ir.HashBy.ADDRESS
    affinity_networks: tuple[int, int] = (32, 128)
    snat: tuple[ir.Address, ...] = ()
    one_memory: bool = False  # it remembers a client for all of its fronts together
    one_packet: bool = False  # if so, ``spans`` has its place
    check: ir.Check | None = None  # if there is one, ``spans`` has its place
    spans: dict[str, Span] = field(default_factory=dict)  # by statement


def hash_by(scheduler: ir.Scheduler, flags: Mapping[str, Span], span: Span, notes: list[Note]) -> ir.HashBy:
    """Return what a scheduler of IPVS hashes. Note the flags that it has not, and a hash that refuses clients.

    ``flags``: their places by their names. ``span``: the place of the scheduler.
    """
    hashes = scheduler in (ir.Scheduler.SH, ir.Scheduler.MH)
    fallback, by_port = f"{scheduler}-fallback", f"{scheduler}-port"
    meant = {"flag-1": fallback, "flag-2": by_port} if hashes else {}  # the kernel numbers them, ipvsadm names them
    given = {meant.get(flag, flag): place for flag, place in flags.items()}
    for flag, place in given.items():
        if not hashes or flag not in (fallback, by_port):
            notes.append(Note(place, f"scheduler {scheduler} has no flag {flag}"))
    if hashes and fallback not in given:
        notes.append(Note(span, _NO_FALLBACK.format(scheduler=scheduler)))
    return ir.HashBy.ADDRESS_PORT if hashes and by_port in given else ir.HashBy.ADDRESS


def note_lower_limit(lower: int, most: int, span: Span, notes: list[Note]) -> None:
    """Note a lower limit of connections, unless it is the one that svcc has. 0: there is no limit."""
    if most and lower and 4 * lower != 3 * most:
        notes.append(Note(span, _LOWER_LIMIT))


def affinity_of(seconds: int, span: Span, notes: list[Note]) -> int | None:
    """Return the affinity for some seconds of persistence. Return None for 0."""
    if seconds > _DAY:
        notes.append(Note(span, "affinity lasts a day at most, which the program says"))
    return min(seconds, _DAY) or None


def affinity_networks(text: str, span: Span, notes: list[Note]) -> tuple[int, int]:
    """Return the prefix lengths of what counts as one client, from a netmask for IPv4 clients (255.255.255.0) or a
    prefix length for IPv6 clients. Where the text is neither, each address is a client, which is noted.
    """
    if text.isdecimal() and len(text) < 4 and 1 <= int(text) <= 128:
        return 32, int(text)
    lengths = range(1, 33)
    found = next((length for length in lengths if str(IPv4Network((0, length)).netmask) == text), None)
    if found is None:
        notes.append(Note(span, f"`{text}` is no mask of a network of clients"))
    return found or 32, 128


def services_of(virtual: Virtual, names: Names, notes: list[Note]) -> Iterator[ir.Service]:
    """Return the services that a virtual server becomes: one, unless its addresses have different ports.

    Their addresses are ``shared``: neither IPVS nor nftlb puts addresses on the machine, and both take the declared
    ports alone.
    """
    servers = _servers_of_one_service(virtual, notes)
    for fronts in _groups(_served(virtual, servers, notes)):
        versions = {front.address.version for front in fronts}
        own = [server for server in servers if server.address.version in versions]
        ports = tuple(dict.fromkeys(front.port for front in fronts))
        if len(ports) > 1 and len({s.port for s in own if s.forward is ir.Forward.MASQUERADE}) > 1:
            for port in ports:
                some = [front for front in fronts if front.port == port]
                yield _service(f"{virtual.name}-{port[0]}-{port[1]}", virtual, some, own, names, notes)
        else:
            yield _service(virtual.name, virtual, fronts, own, names, notes)


def _served(virtual: Virtual, servers: Sequence[Server], notes: list[Note]) -> Iterator[Front]:
    """Return the fronts that have servers of their family, or all fronts where there are no servers at all."""
    versions = {server.address.version for server in servers}
    for front in virtual.fronts:
        if not versions or front.address.version in versions:
            yield front
        else:
            notes.append(Note(front.span, f"it has no real server with an IPv{front.address.version} address"))


def _groups(fronts: Iterable[Front]) -> list[list[Front]]:
    """Group the fronts whose addresses have the same ports; equal fronts count once."""
    ports: dict[ir.Address, dict[tuple[ir.Protocol, ir.PortRange], Front]] = {}
    for front in fronts:
        ports.setdefault(front.address, {}).setdefault(front.port, front)
    groups: dict[tuple[tuple[ir.Protocol, ir.PortRange], ...], list[Front]] = {}
    for listed in ports.values():
        groups.setdefault(tuple(listed), []).extend(listed.values())
    return [*groups.values()]


def _servers_of_one_service(virtual: Virtual, notes: list[Note]) -> list[Server]:
    """Return the servers that one service can have: of the families of its fronts, and forwarded to as the first."""
    versions = {front.address.version for front in virtual.fronts}
    found: list[Server] = []
    for server in virtual.servers:
        if server.address.version not in versions:
            notes.append(Note(server.span, "svcc leads an address to endpoints of the address's own family"))
        elif found and server.forward is not found[0].forward:
            first = found[0].forward
            why = f"svcc has one way of forwarding for a service: that of its first endpoint, {first}"
            notes.append(Note(server.span, why))
        else:
            found.append(server)
    return found


def _service(
    name: str, virtual: Virtual, fronts: Sequence[Front], servers: Sequence[Server], names: Names, notes: list[Note]
) -> ir.Service:
    addresses = tuple(dict.fromkeys(front.address for front in fronts))
    statement = "external-ip" if virtual.allow_from else "vip"  # only external ips can be closed to some clients
    places = {f"{statement} {front.address}": front.span for front in reversed(fronts)}
    found = tuple(dict.fromkeys(front.port for front in fronts))
    forward = servers[0].forward if servers else ir.Forward.MASQUERADE
    # other kinds of forwarding do not change the port
    target = servers[0].port if servers and forward is ir.Forward.MASQUERADE else 0
    named = len(found) > 1
    ports = tuple(_port(one, target, virtual.span, named=named) for one in found)
    service = ir.Service(
        names.fresh(name),
        vips=() if virtual.allow_from else addresses,
        external_ips=addresses if virtual.allow_from else (),
        shared=addresses,
        allow_from=virtual.allow_from,
        ports=ports,
        endpoints=tuple(_endpoints(servers, forward, ports, notes)),
        scheduler=virtual.scheduler,
        scheduler_by=virtual.scheduler_by,
        affinity=virtual.affinity,
        affinity_networks=virtual.affinity_networks,
        affinity_per_service=virtual.one_memory and len(fronts) > 1,
        masquerade=virtual.masquerade,
        snat=virtual.snat,
        forward=forward,
        one_packet=virtual.one_packet and _one_packet(virtual, forward, found, notes),
        span=virtual.span,
        spans=virtual.spans | places,
    )
    return replace(service, check=_check_with_port(virtual, service, notes))


def _one_packet(
    virtual: Virtual, forward: ir.Forward, ports: Iterable[tuple[ir.Protocol, ir.PortRange]], notes: list[Note]
) -> bool:
    """Whether a service can choose an endpoint for each datagram; where it cannot, that is noted."""
    why = ""
    if forward is ir.Forward.MASQUERADE:
        why = "without a connection IPVS translates no answers: one-packet is for direct routing and tunnels"
    elif any(protocol is not ir.Protocol.UDP for protocol, _ in ports):
        why = "one-packet is only for udp"
    if why:
        notes.append(Note(virtual.spans["one-packet"], why))
    return not why


def _check_with_port(virtual: Virtual, service: ir.Service, notes: list[Note]) -> ir.Check | None:
    """Return the check, with the port that it asks where the service's ports leave that open.

    Return None where there is none to carry over.
    """
    check = virtual.check
    if check is None or check.port is not None or len(service_ports(service, check.kind)) == 1:
        return check
    known = {server.port for server in virtual.servers if not server.backup} | {p.target for p in service.ports}
    if len(known - {0}) == 1:
        return replace(check, port=next(iter(known - {0})))
    notes.append(Note(virtual.spans["check"], "svcc asks all endpoints at one port, and these have several"))
    return None


def _port(one: tuple[ir.Protocol, ir.PortRange], target: int, span: Span, *, named: bool) -> ir.Port:
    """Return the port.

    Its target is that of the first server; others may have ports of their own. A range leads to a range.
    """
    protocol, ports = one
    to = target if target and len(ports) == 1 else ports.first
    return ir.Port(f"{protocol}-{ports}" if named else None, protocol, ports, to, span=span)


def _endpoints(
    servers: Iterable[Server], forward: ir.Forward, ports: Sequence[ir.Port], notes: list[Note]
) -> Iterator[ir.Endpoint]:
    """Return the endpoints.

    Where a service has several ports, all servers have the same port. A server without a port gets what clients ask
    for.
    """
    wide = any(len(port.ports) > 1 for port in ports)
    for server in servers:
        own = server.port if forward is ir.Forward.MASQUERADE else 0
        if own and wide:
            notes.append(Note(server.span, "svcc leads a range of ports to as many ports, never to a single one"))
        else:
            if forward is ir.Forward.MASQUERADE and not wide:
                own = own or ports[0].ports.first
            port = own if len(ports) == 1 and own not in (0, ports[0].target) else None
            yield ir.Endpoint(server.address, port, server.weight, None, server.backup, server.most, server.span)

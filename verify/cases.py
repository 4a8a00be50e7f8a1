"""What to try in the lab: every frontend of a program from every vantage, with the outcome by the reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, Kind, frontends
from svcc.verify.lab import CLIENT, NODE, PEER, STRANGER, Lab
from svcc.verify.packet import Forwarded, Outcome, Packet, Portless, Refusal, Vantage
from svcc.verify.reference import outcome

#: A port that no service declares, at which the node has servers: a vip must not expose them.
UNDECLARED_PORT = 7

_BY_OTHER = "the node, by another address"


@dataclass(frozen=True, slots=True)
class Case:
    """Connections from one host to one address and port, and their expected outcome."""

    frontend: str  # "shop/web-http vip 198.19.10.0:80/tcp"
    where: str  # the host in the lab
    vantage: str  # what that host is to the service: "client", "a pod", "an endpoint", …
    packet: Packet
    expected: Outcome
    scheduler: ir.Scheduler | None
    known_source: bool = True  # False: the node, which chooses a source for itself
    network: int | None = None  # the prefix length of what counts as one client to affinity; None: its address
    by_port: bool = False  # the scheduler hashes the client's port too
    bound: ir.Address | None = None  # the source that the host takes; None: it chooses


def cases(program: ir.Program, node: ir.Node | None, lab: Lab, *, translates: bool = True) -> Iterator[Case]:
    """Yield the cases by frontend, then vantage. A range of ports is tried at its first and last port.

    ``translates``: as :attr:`svcc.targets.interface.Target.translates`, of the target whose rules are loaded.
    """
    seen = lab.plan.node if node is not None else None
    for frontend in frontends(program, node):
        if frontend.port.protocol not in lab.protocols:
            continue
        for address in _addresses(program, frontend, lab):
            for port in dict.fromkeys((frontend.ports.first, frontend.ports.last)):
                title = f"{frontend.label} {frontend.kind.value} {_joined(address, port)}/{frontend.port.protocol}"
                for where, vantage in _vantages(frontend, lab):
                    source = _source(frontend, where, address, lab, translates)
                    yield from _case(program, seen, frontend, title, (where, vantage), source, (address, port))
                    if where == NODE and translates and _here(frontend, lab):
                        other = _other(source, lab)
                        yield from _case(
                            program, seen, frontend, title, (where, _BY_OTHER), other, (address, port), bound=other
                        )
    yield from _undeclared(program, seen, lab)
    yield from _nobodys(program, seen, lab)


def _addresses(program: ir.Program, frontend: Frontend, lab: Lab) -> Iterator[ir.Address]:
    """Yield the frontend's address; for a node port, every address of the node that serves node ports."""
    if frontend.address is not None:
        yield frontend.address
        return
    serving = program.cluster.nodeport_addresses
    for address in lab.node_addresses:
        if address.version == frontend.version and (not serving or any(address in network for network in serving)):
            yield address


def _vantages(frontend: Frontend, lab: Lab) -> Iterator[tuple[str, str]]:
    """Yield the hosts to connect from, each with what it is to the service."""
    yield CLIENT, "a client"
    if frontend.restricted:
        yield STRANGER, "a stranger"
    if frontend.kind is Kind.NODE_PORT:
        yield PEER, "another node"
    if frontend.service.forward is not ir.Forward.MASQUERADE:
        return  # endpoints have the vip themselves, and so has the node: none of them can be a client
    yield NODE, "the node"
    own = [str(endpoint.address) for endpoint in frontend.endpoints]
    pods = [pod.name for pod in lab.plan.pods if _speaks(pod.addresses, frontend.version)]
    yield from ((pod, "a pod") for pod in [p for p in pods if p not in own][:1])
    yield from ((pod, "an endpoint") for pod in [p for p in pods if p in own][:1])


def _source(frontend: Frontend, where: str, address: ir.Address, lab: Lab, translates: bool) -> ir.Address | None:
    """Where a host's packets to an address come from; None: it has no address of that family.

    A machine that connects to an address of its own has it for source as well: where rules translate, these are the
    node's, those that somebody else gave it, and those that it answers for. (IPVS has the node's packets come from
    the node in any case: it holds all vips, and rewrites what comes from the vip that it goes to.)
    """
    if where == NODE and translates:
        announced = frontend.service.addresses if frontend.service.announce else ()
        if address in (*lab.node_addresses, *lab.gateways, *lab.plan.held, *announced):
            return address
    return next((a for a in lab.addresses(where) if a.version == address.version), None)


def _here(frontend: Frontend, lab: Lab) -> bool:
    """Whether an endpoint is on the node itself: it sees which of the node's addresses a connection comes from."""
    return any(endpoint.address in lab.node_addresses for endpoint in frontend.endpoints)


def _other(source: ir.Address | None, lab: Lab) -> ir.Address | None:
    """Return another address of the node, of the same family as its source; None: it has none."""
    others = (a for a in (*lab.node_addresses, *lab.gateways) if source and a.version == source.version)
    return next((address for address in others if address != source), None)


def _speaks(addresses: Iterable[ir.Address], version: int) -> bool:
    return any(address.version == version for address in addresses)


def _case(
    program: ir.Program,
    node: ir.Node | None,
    frontend: Frontend,
    title: str,
    host: tuple[str, str],
    source: ir.Address | None,
    destination: tuple[ir.Address, int],
    bound: ir.Address | None = None,
) -> Iterator[Case]:
    where, vantage = host
    address, port = destination
    if source is None:
        return
    entered = Vantage.NODE if where == NODE else Vantage.POD if vantage in ("a pod", "an endpoint") else Vantage.CLIENT
    packet = Packet(source, address, frontend.port.protocol, port, entered)
    expected = outcome(program, node, packet)
    if expected is not Refusal.UNTOUCHED:
        service = frontend.service
        by_port = service.scheduler_by is ir.HashBy.ADDRESS_PORT
        length = service.affinity_networks[address.version == 6]
        network = length if service.affinity is not None and length < address.max_prefixlen else None
        known = bound is not None or where != NODE
        yield Case(title, where, vantage, packet, expected, service.scheduler, known, network, by_port, bound)


def _undeclared(program: ir.Program, node: ir.Node | None, lab: Lab) -> Iterator[Case]:
    """Yield cases for what no service declares, at every service address.

    Connections to a TCP port are rejected, whatever the node itself serves there; at a ``shared`` address the node
    serves them. A ping belongs to no service.
    """
    addresses = dict.fromkeys(a for service in program.services for a in (*service.vips, *service.external_ips))
    for address in addresses:
        for where, vantage in ((CLIENT, "a client"), (NODE, "the node")):
            source = next(a for a in lab.addresses(where) if a.version == address.version)
            entered = Vantage.NODE if where == NODE else Vantage.CLIENT
            packet = Packet(source, address, ir.Protocol.TCP, UNDECLARED_PORT, entered)
            expected = outcome(program, node, packet)
            if not isinstance(expected, Forwarded):
                title = f"undeclared port {_joined(address, UNDECLARED_PORT)}/tcp"
                yield Case(title, where, vantage, packet, expected, None, where != NODE)
            echo = Packet(source, address, Portless.ICMP, vantage=entered)
            yield Case(f"ping {address}", where, vantage, echo, outcome(program, node, echo), None, where != NODE)


def _nobodys(program: ir.Program, node: ir.Node | None, lab: Lab) -> Iterator[Case]:
    """Yield cases for an unused address in each network of service addresses: tcp and udp are rejected, pings pass."""
    taken = {address for service in program.services for address in service.addresses}
    for network in program.cluster.services:
        size = network.num_addresses
        candidates = (network[number] for number in range(min(1, size - 1), min(size, len(taken) + 2)))
        free = next((address for address in candidates if address not in taken), None)
        if free is None:
            continue
        for where, vantage in ((CLIENT, "a client"), (NODE, "the node")):
            source = next(a for a in lab.addresses(where) if a.version == network.version)
            entered = Vantage.NODE if where == NODE else Vantage.CLIENT
            for protocol in (ir.Protocol.TCP, ir.Protocol.UDP):
                packet = Packet(source, free, protocol, UNDECLARED_PORT, entered)
                title = f"services {network} {_joined(free, UNDECLARED_PORT)}/{protocol}"
                expected = outcome(program, node, packet)
                yield Case(title, where, vantage, packet, expected, None, where != NODE)


def _joined(address: ir.Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"

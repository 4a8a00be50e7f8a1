"""From frontends to what a node's kernel holds: virtual servers and the elements of the sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, Kind, Rewrite, frontends
from svcc.kernel.ipset.sets import Set
from svcc.kernel.ipvs.servers import MASQUERADING, PROTOCOLS, Real, VirtualServer, key_of
from svcc.targets.ipvs.sets import NODE_PORTS, Purpose, make_set, network_elements
from svcc.targets.ipvs.virtual import FORWARD, address_text, make_settings

_RANKS = {str(protocol): rank for rank, protocol in enumerate(ir.Protocol)}


@dataclass(frozen=True, slots=True)
class FamilyState:
    """All of one address family. ``sets`` has no empty sets; nothing refers to one that is not there."""

    version: int
    addresses: tuple[str, ...]  # the vips and external ips but shared ones, in numeric order
    announced: frozenset[str]  # those of them that are announced
    servers: tuple[VirtualServer, ...]
    sets: dict[Purpose, Set]


def node_port_addresses(cluster: ir.Cluster, node: ir.Node | None) -> list[ir.Address]:
    """The node's addresses that serve node ports, in the order of its declaration."""
    networks = cluster.nodeport_addresses
    return [a for a in (node.addresses if node else ()) if not networks or any(a in network for network in networks)]


def families(program: ir.Program, node: ir.Node | None) -> list[FamilyState]:
    """The state by family, v4 before v6; families without a frontend are left out."""
    gatherers = {version: _Gatherer(program.cluster, node, version) for version in (4, 6)}
    for frontend in frontends(program, node):
        gatherers[frontend.version].add(frontend)
    return [gatherer.state() for gatherer in gatherers.values() if gatherer.used]


def loop_backs(servers: Iterable[VirtualServer]) -> list[str]:
    """Each endpoint that packets reach with another source, with itself as the client: in the order of their numbers.

    Under ``forward direct`` and ``tunnel`` sources stay what they are.
    """
    found: dict[tuple[int, int, int], str] = {}
    for virtual in servers:
        protocol = PROTOCOLS[virtual.key.partition(" ")[0]]
        for at, real in virtual.servers.items():
            if real.method == MASQUERADING:
                address, _, port = at.rpartition(":")
                text = address.strip("[]")
                key = int(ip_address(text)), _RANKS[protocol], int(port)
                found[key] = f"{text},{protocol}:{port},{text}"
    return [found[key] for key in sorted(found)]


def scheduler(frontend: Frontend) -> ir.Scheduler:
    """The service's own scheduler; without one, round robin that follows weights where there are any to follow."""
    if frontend.service.scheduler is not None:
        return frontend.service.scheduler
    weights = {endpoint.weight for endpoint in frontend.endpoints}
    return ir.Scheduler.WRR if len(weights) > 1 else ir.Scheduler.RR


class _Gatherer:
    """Collects one family's state, frontend by frontend."""

    def __init__(self, cluster: ir.Cluster, node: ir.Node | None, version: int) -> None:
        self._cluster = cluster
        self._version = version
        self._node_addresses = [a for a in (node.addresses if node else ()) if a.version == version]
        self._node_port_addresses = [a for a in node_port_addresses(cluster, node) if a.version == version]
        self._pods = tuple(network for network in cluster.pods if network.version == version)
        self._addresses: set[int] = set()
        self._announced: set[int] = set()
        self._servers: list[VirtualServer] = []
        self._elements: dict[Purpose, list[str]] = {purpose: [] for purpose in Purpose}
        self._node_ports: dict[ir.Protocol, set[int]] = {protocol: set() for protocol in ir.Protocol}
        # By endpoint, protocol and port, to be sorted by them: services share endpoints, and the place of a line must
        # not depend on which of them comes first.
        self._loops: dict[int, str] = {}
        self._texts: dict[int, str] = {}  # addresses as text, by number
        self.used = False

    # -- gathering ------------------------------------------------------------------------------------------------

    def add(self, frontend: Frontend) -> None:
        listening = self._node_port_addresses if frontend.address is None else [frontend.address]
        if not listening:  # a node port, and the node has no address that serves it
            return
        self.used = True
        if frontend.address is not None and not frontend.shared:
            self._addresses.add(int(frontend.address))
            if frontend.service.announce:
                self._announced.add(int(frontend.address))
        protocol, settings = frontend.port.protocol, make_settings(scheduler(frontend), frontend.service.affinity)
        for offset, port in enumerate(range(frontend.ports.first, frontend.ports.last + 1)):
            servers = self._real_servers(frontend, offset)
            if frontend.address is None and protocol is not ir.Protocol.SCTP:
                self._node_ports[protocol].add(port)
            for text in [self._text(int(address)) for address in listening]:
                self._add_elements(frontend, text, f"{text},{protocol}:{port}")
                if servers:
                    self._servers.append(VirtualServer(key_of(protocol, text, port), settings, servers))

    def _add_elements(self, frontend: Frontend, address: str, element: str) -> None:
        """Name an address and port in the sets that it belongs to."""
        elements, node_port = self._elements, frontend.kind is Kind.NODE_PORT
        if not node_port:
            elements[Purpose.CLUSTER_IP].append(element)
            if frontend.service.forward is not ir.Forward.MASQUERADE:
                elements[Purpose.DIRECT].append(element)
        elif frontend.port.protocol is ir.Protocol.SCTP:
            elements[Purpose.NODE_PORT_SCTP].append(element)
        if frontend.restricted:
            elements[Purpose.RESTRICTED].append(element)
            elements[Purpose.ALLOWED] += [f"{element},{client}" for client in self._clients(frontend, address)]
        if frontend.rewrite is Rewrite.EVERYBODY and not node_port:
            elements[Purpose.MASQUERADE].append(element)
        elif frontend.rewrite is Rewrite.NOBODY and (node_port or self._pods):
            elements[Purpose.KEEP_SOURCE].append(element)
        if not frontend.endpoints:
            drop = frontend.service.when_empty is ir.WhenEmpty.DROP
            elements[Purpose.EMPTY_DROP if drop else Purpose.EMPTY_REJECT].append(element)

    def _clients(self, frontend: Frontend, address: str) -> Iterable[str]:
        """Who may use a restricted frontend, as elements, each once."""
        clients = [*network_elements(frontend.allow_from)]
        if frontend.kind is not Kind.NODE_PORT and any(
            own in network for own in self._node_addresses for network in frontend.allow_from
        ):
            clients.append(address)  # the node itself comes from the dummy device's address that it goes to
        return dict.fromkeys(clients)

    def _real_servers(self, frontend: Frontend, offset: int) -> dict[str, Real]:
        """The real servers for the frontend's port number ``offset``, and their hairpins."""
        found: dict[str, Real] = {}
        method, others = FORWARD[frontend.service.forward]
        ways: dict[int, Real] = {}  # by weight: most real servers share one
        texts, loops = self._texts, self._loops
        hairpins = method == MASQUERADING
        protocol, target = frontend.port.protocol.value, frontend.port.target
        rank = _RANKS[protocol] << 16
        before, after = ("[", "]:") if self._version == 6 else ("", ":")
        for endpoint in (*frontend.endpoints, *frontend.draining):
            number = int(endpoint.address)
            text = texts.get(number) or self._text(number)
            port = (target if endpoint.port is None else endpoint.port) + offset
            weight = endpoint.weight
            real = ways.get(weight)
            if real is None:
                real = ways[weight] = Real(method, weight, others)
            found[f"{before}{text}{after}{port}"] = real
            if hairpins:
                loops[number << 18 | rank | port] = f"{text},{protocol}:{port},{text}"
        return found

    def _text(self, number: int) -> str:
        text = self._texts.get(number)
        if text is None:
            text = self._texts[number] = address_text(number, self._version)
        return text

    # -- the result -----------------------------------------------------------------------------------------------

    def state(self) -> FamilyState:
        addresses = tuple(map(self._text, sorted(self._addresses)))
        announced = frozenset(map(self._text, self._announced))
        elements = self._elements
        elements[Purpose.SERVICE_IP] = [*addresses]
        for protocol, ports in self._node_ports.items():
            if ports:
                elements[NODE_PORTS[protocol]] = [str(port) for port in sorted(ports)]
        if any(elements[purpose] for purpose in NODE_PORTS.values()):
            elements[Purpose.NODE_IP] = [self._text(int(address)) for address in self._node_port_addresses]
        if elements[Purpose.CLUSTER_IP]:
            elements[Purpose.POD_NET] = [*dict.fromkeys(network_elements(self._pods))]
        elements[Purpose.LOOP_BACK] = [self._loops[key] for key in sorted(self._loops)]
        sets = {purpose: self._set(purpose, found) for purpose, found in elements.items() if found}
        return FamilyState(self._version, addresses, announced, tuple(self._servers), sets)

    def _set(self, purpose: Purpose, elements: Iterable[str]) -> Set:
        ports = self._cluster.nodeports if purpose.type == "bitmap:port" else None
        return make_set(purpose, self._cluster.prefix, self._version, elements, ports)

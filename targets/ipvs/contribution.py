"""What one service adds to each family: virtual servers, elements of sets, addresses on the device."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from svcc.compiler import ir
from svcc.compiler.frontends import Frontend, Kind, Rewrite
from svcc.kernel.ipvs.servers import MASQUERADING, Real, Settings, VirtualServer, frontend_of, key_of, mark_key
from svcc.kernel.steps import FrontendAddress
from svcc.kernel.xtables.matches import OpenedTo, Proto
from svcc.kernel.xtables.script import Rule
from svcc.kernel.xtables.verdicts import Snat
from svcc.targets.interface import Contribution, Shared
from svcc.targets.ipvs.sets import NODE_PORTS, Purpose, marked, network_elements
from svcc.targets.ipvs.virtual import (
    FORWARD,
    MOST,
    address_text,
    by_mark,
    hairpin,
    is_large,
    make_settings,
    range_mark,
    service_mark,
)


@dataclass(frozen=True, slots=True)
class FamilyContribution:
    """What a service adds to one family."""

    #: The vips and external ips but shared ones, by their numbers; services may have the same.
    addresses: dict[int, str] = field(default_factory=dict)
    announced: set[int] = field(default_factory=set)  # of those, the ones that this machine announces
    #: Those that are shared, in the networks of service addresses; likewise.
    shared: dict[int, str] = field(default_factory=dict)
    #: Each endpoint that packets reach with another source, with itself as the client, by
    #: :func:`svcc.targets.ipvs.virtual.hairpin`'s number; likewise.
    loops: dict[int, str] = field(default_factory=dict)
    node_ports: dict[Purpose, list[int]] = field(default_factory=dict)  # of TCP and UDP, by their set
    elements: dict[Purpose, list[str]] = field(default_factory=dict)  # of all other sets, in the frontends' order
    servers: list[VirtualServer] = field(default_factory=list)
    sources: list[Rule] = field(default_factory=list)  # what clients' sources become, by what they connected to


@dataclass(frozen=True, slots=True)
class IpvsContribution(Contribution):
    """What a service adds; families in which it has no frontend that the node serves are left out."""

    parts: Mapping[int, FamilyContribution]  # by IP version


def contribution(shared: Shared, service: ir.Service) -> IpvsContribution:
    """See :meth:`svcc.targets.interface.TargetByService.contribution`."""
    makers: dict[int, _Maker] = {}
    for frontend in shared.view.frontends(service):
        version = frontend.version
        listening = node_port_addresses(shared, version) if frontend.address is None else [frontend.address]
        if not listening:  # a node port, and the node has no address that serves it
            continue
        maker = makers.get(version)
        if maker is None:
            maker = makers[version] = _Maker(shared, version, service)
        maker.add(frontend, listening)
    return IpvsContribution({version: maker.made() for version, maker in makers.items()})


def node_port_addresses(shared: Shared, version: int) -> list[ir.Address]:
    """The node's addresses of a family that serve node ports, in the order of its declaration."""
    networks = shared.cluster.nodeport_addresses
    own = [address for address in (shared.node.addresses if shared.node else ()) if address.version == version]
    return [address for address in own if not networks or any(address in network for network in networks)]


def scheduler(frontend: Frontend) -> ir.Scheduler:
    """The service's own scheduler; without one, round robin that follows weights where there are any to follow."""
    if frontend.service.scheduler is not None:
        return frontend.service.scheduler
    weights = {endpoint.weight for endpoint in frontend.endpoints}
    return ir.Scheduler.WRR if len(weights) > 1 else ir.Scheduler.RR


class _Maker:
    """Takes the frontends of one service in one family."""

    def __init__(self, shared: Shared, version: int, service: ir.Service) -> None:
        self.part = FamilyContribution()
        self._announced = frozenset(service.announced)
        self._cluster = shared.cluster
        self._version = version
        #: Of a service that IPVS knows by a mark: all that it listens on is one virtual server.
        self._mark = service_mark(shared.cluster, service.name) if by_mark(service) else None
        self._frontends: list[FrontendAddress] = []  # of that
        self._one: tuple[Settings, dict[str, Real]] | None = None  # of that
        self._own = [a for a in (shared.node.addresses if shared.node else ()) if a.version == version]
        self._pods = any(network.version == version for network in shared.cluster.pods)
        self._services = shared.cluster.services
        self._texts: dict[int, str] = {}  # addresses as text, by number

    def add(self, frontend: Frontend, listening: Collection[ir.Address]) -> None:
        """``listening``: the frontend's address, or the node's own."""
        part, protocol = self.part, frontend.port.protocol
        texts = [self._text(int(address)) for address in listening]
        if frontend.address is not None and not frontend.shared:
            part.addresses[int(frontend.address)] = texts[0]
            if frontend.address in self._announced:
                part.announced.add(int(frontend.address))
        elif frontend.address is not None and any(frontend.address in network for network in self._services):
            part.shared[int(frontend.address)] = texts[0]
        if frontend.snat is not None and frontend.endpoints:
            to = Snat(*(self._text(int(address)) for address in frontend.snat))
            for address in listening:
                part.sources.append(Rule((Proto(protocol), OpenedTo(address, frontend.ports)), to))
        if frontend.address is None and protocol is not ir.Protocol.SCTP:
            ports = range(frontend.ports.first, frontend.ports.last + 1)
            part.node_ports.setdefault(NODE_PORTS[protocol], []).extend(ports)
        if is_large(frontend.ports):
            self._add_range(frontend, listening)
        else:
            self._add_ports(frontend, texts)

    def _add_ports(self, frontend: Frontend, texts: Sequence[str]) -> None:
        """Each port for itself."""
        protocol, settings = frontend.port.protocol, self._settings(frontend)
        for offset, port in enumerate(range(frontend.ports.first, frontend.ports.last + 1)):
            servers = self._real_servers(frontend, offset, keep=self._mark is not None)
            for text in texts:
                element = f"{text},{protocol}:{port}"
                self._add_elements(frontend, text, [element])
                if servers and self._mark is not None:
                    self._add(Purpose.SERVICE_MARK, marked(element, self._mark))
                    self._frontends += filter(None, (frontend_of(key_of(protocol, text, port)),))
                    self._one = settings, servers
                elif servers:
                    self.part.servers.append(VirtualServer(key_of(protocol, text, port), settings, servers))

    def _add_range(self, frontend: Frontend, listening: Collection[ir.Address]) -> None:
        """All ports as one, known by a mark. What is alike but for the port stands together, for one line of text."""
        protocol, first = frontend.port.protocol, frontend.ports.first
        ports, servers = range(first, frontend.ports.last + 1), self._real_servers(frontend, 0, keep=True)
        if frontend.service.forward is ir.Forward.MASQUERADE:
            for endpoint in (*frontend.endpoints, *frontend.draining):
                number = int(endpoint.address)
                self.part.loops.update(hairpin(number, self._text(number), protocol, port) for port in ports)
        mark, own = self._mark, list[FrontendAddress]()
        if mark is None:
            at = None if frontend.address is None else self._text(int(frontend.address))
            mark = range_mark(self._cluster, frontend.service.name, at, protocol, first)
        for address in listening:
            text = self._text(int(address))
            elements = [f"{text},{protocol}:{port}" for port in ports]
            self._add_elements(frontend, text, elements)
            if servers:
                self._add(Purpose.SERVICE_MARK, *[marked(element, mark) for element in elements])
                own += [FrontendAddress(str(address), protocol, port) for port in ports]
        if servers and self._mark is not None:
            self._frontends += own
            self._one = self._settings(frontend), servers
        elif servers:
            key = mark_key(mark, self._version)
            self.part.servers.append(VirtualServer(key, self._settings(frontend), servers, tuple(own)))

    def _settings(self, frontend: Frontend) -> Settings:
        service, length = frontend.service, frontend.client_length
        return make_settings(
            scheduler(frontend),
            service.affinity,
            network=None if length is None else (self._version, length),
            by_port=service.scheduler_by is ir.HashBy.ADDRESS_PORT,
            one_packet=service.one_packet,
        )

    def made(self) -> FamilyContribution:
        """What was taken; with the virtual server by a mark."""
        if self._mark is not None and self._one is not None:
            key = mark_key(self._mark, self._version)
            self.part.servers.append(VirtualServer(key, *self._one, tuple(self._frontends)))
        return self.part

    def _add_elements(self, frontend: Frontend, address: str, elements: Sequence[str]) -> None:
        """Name ports of an address in the sets that they belong to."""
        node_port = frontend.kind is Kind.NODE_PORT
        if not node_port:
            self._add(Purpose.CLUSTER_IP, *elements)
            if frontend.service.forward is not ir.Forward.MASQUERADE:
                self._add(Purpose.DIRECT, *elements)
        elif frontend.port.protocol is ir.Protocol.SCTP:
            self._add(Purpose.NODE_PORT_SCTP, *elements)
        if frontend.restricted:
            self._add(Purpose.RESTRICTED, *elements)
            self._add(Purpose.ALLOWED, *_with_clients(elements, self._clients(frontend, address)))
        if frontend.rewrite is Rewrite.EVERYBODY and not node_port:
            self._add(Purpose.MASQUERADE, *elements)
        elif frontend.rewrite in (Rewrite.NOBODY, Rewrite.NETWORKS) and (node_port or self._pods):
            self._add(Purpose.KEEP_SOURCE, *elements)
        if frontend.rewrite is Rewrite.NETWORKS:
            self._add(Purpose.REWRITE, *_with_clients(elements, network_elements(frontend.rewrite_from)))
        if not frontend.endpoints:
            drop = frontend.service.when_empty is ir.WhenEmpty.DROP
            self._add(Purpose.EMPTY_DROP if drop else Purpose.EMPTY_REJECT, *elements)

    def _add(self, purpose: Purpose, *elements: str) -> None:
        if elements:
            self.part.elements.setdefault(purpose, []).extend(elements)

    def _clients(self, frontend: Frontend, address: str) -> Iterable[str]:
        """Who may use a restricted frontend, as elements, each once."""
        clients = [*network_elements(frontend.allow_from)]
        if frontend.kind is not Kind.NODE_PORT and any(
            own in network for own in self._own for network in frontend.allow_from
        ):
            clients.append(address)  # the node itself comes from the dummy device's address that it goes to
        return dict.fromkeys(clients)

    def _real_servers(self, frontend: Frontend, offset: int, *, keep: bool) -> dict[str, Real]:
        """The real servers for the frontend's port number ``offset``, and their hairpins. ``keep``: packets keep their
        port."""
        found: dict[str, Real] = {}
        method, others = FORWARD[frontend.service.forward]
        ways: dict[tuple[int, int | None], Real] = {}  # most real servers share one
        texts, loops = self._texts, self.part.loops
        protocol, target = frontend.port.protocol, frontend.port.target
        before, after = ("[", "]:") if self._version == 6 else ("", ":")
        for endpoint in (*frontend.endpoints, *frontend.draining):
            number, weight = int(endpoint.address), endpoint.weight
            text = texts.get(number) or self._text(number)
            port = (target if endpoint.port is None else endpoint.port) + offset
            most = endpoint.max_connections if weight else None  # who drains gets no new ones anyway
            real = ways.get((weight, most))
            if real is None:
                limit = "" if most is None else f"{MOST}{most}"
                real = ways[weight, most] = Real(method, weight, f"{others}{limit}")
            found[f"{before}{text}{after}{0 if keep else port}"] = real
            if method == MASQUERADING:
                place, element = hairpin(number, text, protocol, port)
                loops[place] = element
        return found

    def _text(self, number: int) -> str:
        text = self._texts.get(number)
        if text is None:
            text = self._texts[number] = address_text(number, self._version)
        return text


def _with_clients(elements: Sequence[str], clients: Iterable[str]) -> Iterator[str]:
    """Each element with each client, in the clients' order."""
    return (f"{element},{client}" for client in clients for element in elements)

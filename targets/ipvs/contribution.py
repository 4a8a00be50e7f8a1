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

    #: The vips and external ips, except shared ones, by number. Other services may have them too.
    addresses: dict[int, str] = field(default_factory=dict)
    announced: set[int] = field(default_factory=set)  # those that this machine announces
    #: The shared addresses in the networks of service addresses, by number. Other services may have them too.
    shared: dict[int, str] = field(default_factory=dict)
    #: The hairpin element of each endpoint whose packets get another source, by
    #: :func:`svcc.targets.ipvs.virtual.hairpin`'s number. Other services may have it too.
    loops: dict[int, str] = field(default_factory=dict)
    node_ports: dict[Purpose, list[int]] = field(default_factory=dict)  # of TCP and UDP, by the set that holds them
    # the elements of all other sets, in the order of the frontends
    elements: dict[Purpose, list[str]] = field(default_factory=dict)
    servers: list[VirtualServer] = field(default_factory=list)
    # rules that rewrite clients' sources, by what the clients connected to
    sources: list[Rule] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class IpvsContribution(Contribution):
    """What a service adds; families in which the node serves none of its frontends are missing."""

    parts: Mapping[int, FamilyContribution]  # by IP version


def contribution(shared: Shared, service: ir.Service) -> IpvsContribution:
    """See :meth:`svcc.targets.interface.TargetByService.contribution`."""
    makers: dict[int, _Maker] = {}
    for frontend in shared.view.frontends(service):
        version = frontend.version
        listening = node_port_addresses(shared, version) if frontend.address is None else [frontend.address]
        if not listening:  # a node port, and no address of the node serves it
            continue
        maker = makers.get(version)
        if maker is None:
            maker = makers[version] = _Maker(shared, version, service)
        maker.add(frontend, listening)
    return IpvsContribution({version: maker.contribution() for version, maker in makers.items()})


def node_port_addresses(shared: Shared, version: int) -> list[ir.Address]:
    """Return the node's addresses of a family that serve node ports, in the order in which the node declares them."""
    networks = shared.cluster.nodeport_addresses
    own = [address for address in (shared.node.addresses if shared.node else ()) if address.version == version]
    return [address for address in own if not networks or any(address in network for network in networks)]


def scheduler(frontend: Frontend) -> ir.Scheduler:
    """Return the service's own scheduler, or round robin, which follows weights where they differ."""
    if frontend.service.scheduler is not None:
        return frontend.service.scheduler
    weights = {endpoint.weight for endpoint in frontend.endpoints}
    return ir.Scheduler.WRR if len(weights) > 1 else ir.Scheduler.RR


class _Maker:
    """Takes the frontends of one service in one family, and makes the contribution."""

    def __init__(self, shared: Shared, version: int, service: ir.Service) -> None:
        self.part = FamilyContribution()
        self._announced = frozenset(service.announced)
        self._cluster = shared.cluster
        self._version = version
        #: For a service that IPVS knows by a mark: everything that it listens on is one virtual server.
        self._mark = service_mark(shared.cluster, service.name) if by_mark(service) else None
        self._frontends: list[FrontendAddress] = []  # those of that virtual server
        # the settings and real servers of that virtual server
        self._one: tuple[Settings, dict[str, Real]] | None = None
        self._own = [a for a in (shared.node.addresses if shared.node else ()) if a.version == version]
        self._pods = any(network.version == version for network in shared.cluster.pods)
        self._services = shared.cluster.services
        self._texts: dict[int, str] = {}  # addresses as text, by number

    def add(self, frontend: Frontend, listening: Collection[ir.Address]) -> None:
        """Add a frontend. ``listening``: its address, or the node's own for a node port."""
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
        """Add a virtual server for each port."""
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
        """Add all ports as one virtual server, known by a mark. Elements that differ only in the port are made
        together, for one line of text.
        """
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

    def contribution(self) -> FamilyContribution:
        """Return the contribution, with the virtual server that goes by a mark."""
        if self._mark is not None and self._one is not None:
            key = mark_key(self._mark, self._version)
            self.part.servers.append(VirtualServer(key, *self._one, tuple(self._frontends)))
        return self.part

    def _add_elements(self, frontend: Frontend, address: str, elements: Sequence[str]) -> None:
        """Add ports of an address to the sets that they belong to."""
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
        """Return the clients that may use a restricted frontend, as elements, each once."""
        clients = [*network_elements(frontend.allow_from)]
        if frontend.kind is not Kind.NODE_PORT and any(
            own in network for own in self._own for network in frontend.allow_from
        ):
            # the node's own packets have the address on the dummy device that they go to as their source
            clients.append(address)
        return dict.fromkeys(clients)

    def _real_servers(self, frontend: Frontend, offset: int, *, keep: bool) -> dict[str, Real]:
        """Return the real servers for port number ``offset`` of the frontend, and note their hairpins.

        ``keep``: packets keep their port.
        """
        found: dict[str, Real] = {}
        method, others = FORWARD[frontend.service.forward]
        ways: dict[tuple[int, int | None], Real] = {}  # a cache: most real servers are equal
        texts, loops = self._texts, self.part.loops
        protocol, target = frontend.port.protocol, frontend.port.target
        before, after = ("[", "]:") if self._version == 6 else ("", ":")
        for endpoint in (*frontend.endpoints, *frontend.draining):
            number, weight = int(endpoint.address), endpoint.weight
            text = texts.get(number) or self._text(number)
            port = (target if endpoint.port is None else endpoint.port) + offset
            most = endpoint.max_connections if weight else None  # a draining server gets no new connections anyway
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
    """Yield each element combined with each client, in the clients' order."""
    return (f"{element},{client}" for client in clients for element in elements)

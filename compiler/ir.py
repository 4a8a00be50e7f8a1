"""The intermediate representation: what a program means, with no word of any target.

A :class:`Program` is complete and normalised. Includes, lets, pools and defaults are resolved, services are
sorted by name (so that moving text between files changes no rule), endpoints keep the order of the source
(so that appending one changes nothing before it). Addresses are :mod:`ipaddress` objects.

Everything is frozen and compares by meaning: places in the source (``span``, ``spans``) are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias, cast

from svcc.compiler.source import Span

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

#: Seconds of client-ip affinity when the statement gives none (3 h, as in Kubernetes).
DEFAULT_AFFINITY = 10_800
#: The largest ``max-connections``: what ipvsadm takes (ipvsadm.c: INT_MAX).
MAX_CONNECTIONS = 2_147_483_647


def _no_spans() -> Mapping[str, Span]:
    return {}


class Protocol(StrEnum):
    """The protocol of a service's port."""

    TCP = "tcp"
    UDP = "udp"
    SCTP = "sctp"


class Scheduler(StrEnum):
    """How an endpoint is chosen for a new connection (ipvsadm(8); ``random`` follows weights)."""

    RANDOM = "random"
    RR = "rr"
    WRR = "wrr"
    SH = "sh"
    DH = "dh"
    LC = "lc"
    WLC = "wlc"
    LBLC = "lblc"
    LBLCR = "lblcr"
    SED = "sed"
    NQ = "nq"
    FO = "fo"
    OVF = "ovf"
    MH = "mh"
    TWOS = "twos"


class HashBy(StrEnum):
    """What the schedulers sh and mh hash."""

    ADDRESS = "address"  # a client has one endpoint
    ADDRESS_PORT = "address-port"  # each connection of a client has one


class Traffic(StrEnum):
    """Which endpoints a node uses: all of them, only those on the node itself, or the nearest that exist."""

    CLUSTER = "cluster"
    LOCAL = "local"
    PREFER_LOCAL = "prefer-local"  # those on itself while there are any, then all
    PREFER_ZONE = "prefer-zone"  # likewise, but before all come those on nodes of its zone


class Masquerade(StrEnum):
    """When the source address of a connection is rewritten."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Forward(StrEnum):
    """How packets reach an endpoint: rewritten; or unchanged, on the same link or in a tunnel."""

    MASQUERADE = "masquerade"
    DIRECT = "direct"
    TUNNEL = "tunnel"


class WhenEmpty(StrEnum):
    """What happens to new connections while no endpoint can serve."""

    REJECT = "reject"
    DROP = "drop"
    DRAINING = "draining"  # draining endpoints serve, in equal shares; without any: reject


class CheckKind(StrEnum):
    """How an endpoint is checked: whether it accepts a connection, or what it answers."""

    TCP = "tcp"
    HTTP = "http"
    HTTPS = "https"
    DNS = "dns"
    UDP = "udp"


class WhenFailed(StrEnum):
    """Who serves when every endpoint fails its check: all that are not draining, or none."""

    OPEN = "open"
    EMPTY = "empty"


class BalancerKind(StrEnum):
    """What a cloud load balancer balances: HTTP requests, or connections and datagrams."""

    APPLICATION = "application"
    NETWORK = "network"


class Scheme(StrEnum):
    """Who can reach a cloud load balancer: only its own network, or everybody."""

    INTERNAL = "internal"
    INTERNET_FACING = "internet-facing"


class ListenProtocol(StrEnum):
    """The protocol of a balancer's listener."""

    HTTP = "http"
    TCP = "tcp"
    UDP = "udp"


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """The ports ``first`` to ``last``, both included; a single port is a range of one."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def overlaps(self, other: PortRange) -> bool:
        """Whether the ranges have a port in common."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True, slots=True)
class Cluster:
    """The settings that all services share."""

    prefix: str = "SVCC"
    pods: tuple[Network, ...] = ()
    nodeports: PortRange = PortRange(30000, 32767)
    nodeport_addresses: tuple[Network, ...] = ()  # empty: every local address
    vip_device: str | None = "svcc0"  # None: svcc puts no address on any device, because somebody else holds them
    mark: int = 0x4000  # a single bit of the packet mark
    # networks of service addresses: addresses in them that no service has are rejected
    services: tuple[Network, ...] = ()
    spans: Mapping[str, Span] = field(default_factory=_no_spans, compare=False, repr=False)  # by statement


@dataclass(frozen=True, slots=True)
class Node:
    """A machine that serves. ``zone``: where it stands, for ``prefer-zone``."""

    name: str
    addresses: tuple[Address, ...]
    zone: str | None = None
    instance: str | None = None  # the cloud's name for the machine
    span: Span | None = field(default=None, compare=False, repr=False)
    #: By address (``"address 10.0.0.4"``), and by statement (``"instance"``).
    spans: Mapping[str, Span] = field(default_factory=_no_spans, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Port:
    """One declared port of a service: ``ports`` on the vip map one to one to ``target`` and up."""

    name: str | None  # only a service's single port may be without
    protocol: Protocol
    ports: PortRange
    target: int  # the endpoint's port for ports.first
    nodeport: PortRange | None = None  # as many ports as ``ports``
    span: Span | None = field(default=None, compare=False, repr=False)
    spans: Mapping[str, Span] = field(default_factory=_no_spans, compare=False, repr=False)  # by field

    @property
    def targets(self) -> PortRange:
        """The endpoints' ports: as many as the service's own."""
        return PortRange(self.target, self.target + len(self.ports) - 1)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address where connections to a service are answered."""

    address: Address
    port: int | None = None  # overrides the port's target
    weight: int = 1  # 0: draining: it finishes its connections and gets no new ones
    node: str | None = None  # the node it runs on
    backup: bool = False  # serves only while no endpoint of the service that is no backup can
    max_connections: int | None = None  # at this many connections it gets no new ones; each frontend counts for itself
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def draining(self) -> bool:
        """Whether it finishes its connections and gets no new ones: weight 0."""
        return self.weight == 0


@dataclass(slots=True, eq=False)
class _EndpointInTheMaking:
    """The fields of an endpoint that is not frozen yet. Of a frozen one, each field is set by a call."""

    address: Address
    span: Span | None
    port: int | None = None
    weight: int = 1
    node: str | None = None
    backup: bool = False
    max_connections: int | None = None


def plain_endpoint(address: Address, span: Span | None) -> Endpoint:
    """``Endpoint(address, span=span)``, in a third of the time: large programs have a hundred thousand of them."""
    made = _EndpointInTheMaking(address, span)
    made.__class__ = Endpoint  # type: ignore[assignment]  # they have the same slots
    return cast(Endpoint, made)


@dataclass(frozen=True, slots=True)
class Registered:
    """Endpoints that a service gets from a pool at runtime: those that register themselves in the pool, from an address
    in one of its networks. What svcc compiles does not depend on this; whoever knows the members puts them into the
    program.
    """

    pool: str
    networks: tuple[Network, ...]
    span: Span | None = field(default=None, compare=False, repr=False)

    def takes(self, address: Address) -> bool:
        """Whether a member with this address may register."""
        return any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Check:
    """How a health check asks whether an endpoint serves. What svcc compiles does not depend on it; whoever runs the
    checks takes endpoints out of the program.

    Times are in seconds, and are whole numbers of milliseconds.
    """

    kind: CheckKind
    port: int | None = None  # None: the port of the service's port, see :func:`svcc.compiler.health_checks.asked_port`
    path: str = "/"  # http, https
    host: str | None = None  # http, https: the host name in the request and in TLS; None: the endpoint's address
    expect: tuple[int, int] = (200, 399)  # http, https: the first and the last status that pass
    insecure: bool = False  # https: any certificate passes
    name: str = "."  # dns: the name that is looked up
    every: float = 5
    timeout: float = 2
    fall: int = 3  # this many failed checks in a row take an endpoint out
    rise: int = 2  # this many passed checks in a row bring it back


@dataclass(frozen=True, slots=True)
class Service:
    """Addresses and ports, and the endpoints behind them."""

    name: str
    vips: tuple[Address, ...] = ()
    external_ips: tuple[Address, ...] = ()
    # those of ``addresses`` that others have too, so that only the declared ports are taken
    shared: tuple[Address, ...] = ()
    announce: bool = False  # the machine answers ARP and ND for ``addresses``
    #: Those of ``addresses`` that another machine answers for at the moment. An agent of a fleet puts them in. The
    #: language has no word for it, because the reviewed program is the same on all machines.
    elsewhere: tuple[Address, ...] = ()
    allow_from: tuple[Network, ...] = ()  # empty: all clients
    ports: tuple[Port, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    scheduler: Scheduler | None = None  # None: the target's own default
    affinity: int | None = None  # seconds
    # clients are remembered for all ports and addresses of the service together, tcp with udp
    affinity_per_service: bool = False
    #: What affinity counts as one client: prefix lengths of IPv4 and of IPv6 addresses.
    affinity_networks: tuple[int, int] = (32, 128)
    external_traffic: Traffic = Traffic.CLUSTER
    internal_traffic: Traffic = Traffic.CLUSTER
    masquerade: Masquerade = Masquerade.AUTO
    # only the sources of these clients are rewritten; empty: ``masquerade`` decides
    masquerade_from: tuple[Network, ...] = ()
    #: The addresses that replace a rewritten source, consecutive within each family. In a family without any, it is the
    #: machine's own address.
    snat: tuple[Address, ...] = ()
    forward: Forward = Forward.MASQUERADE
    when_empty: WhenEmpty = WhenEmpty.REJECT
    check: Check | None = None  # None: endpoints count as serving
    when_failed: WhenFailed = WhenFailed.OPEN
    scheduler_by: HashBy = HashBy.ADDRESS
    one_packet: bool = False  # each datagram chooses an endpoint anew
    registered: tuple[Registered, ...] = ()  # by pool, in the order in which the service names them
    span: Span | None = field(default=None, compare=False, repr=False)
    #: By statement (``"scheduler"``, ``"traffic external"``), and by address (``"vip 198.19.10.0"``).
    spans: Mapping[str, Span] = field(default_factory=_no_spans, compare=False, repr=False)
    checked: bool = field(default=False, init=False, compare=False, repr=False)  # see :func:`note_checked`

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All addresses of the service: its vips and external-ips."""
        return (*self.vips, *self.external_ips)

    @property
    def announced(self) -> tuple[Address, ...]:
        """The addresses for which this machine answers ARP and ND."""
        return tuple(one for one in self.addresses if one not in self.elsewhere) if self.announce else ()

    def port(self, name: str | None) -> Port | None:
        """Return the port with that name, or (for None) the only port. Return None where there is none."""
        if name is None:
            return self.ports[0] if len(self.ports) == 1 else None
        return next((port for port in self.ports if port.name == name), None)

    @property
    def families(self) -> set[int]:
        """The families of its addresses and endpoints: 4, 6 or both."""
        return {one.version for one in self.addresses} | {endpoint.address.version for endpoint in self.endpoints}


@dataclass(frozen=True, slots=True)
class DefaultAnswer:
    """What an HTTP listener answers where no route fits."""

    status: int = 404
    body: str | None = None  # plain text


@dataclass(frozen=True, slots=True)
class Listener:
    """A port of a balancer, and its answer where no route fits."""

    port: int
    protocol: ListenProtocol
    answer: DefaultAnswer = DefaultAnswer()  # http
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Route:
    """What goes to a port of a service: requests by path (application balancer), or what a listener takes (network
    balancer).
    """

    service: str
    port: str | None = None  # None: the service's only port
    paths: tuple[str, ...] = ()  # ``*`` is any characters, ``?`` any one
    listener: int | None = None  # the listener's port
    span: Span | None = field(default=None, compare=False, repr=False)
    spans: Mapping[str, Span] = field(default_factory=_no_spans, compare=False, repr=False)  # "listener", by path


@dataclass(frozen=True, slots=True)
class Balancer:
    """A cloud load balancer in front of the node ports of all nodes. ``network``, ``subnets`` and ``security`` are the
    cloud's names for its network, for the subnets that the balancer is in, and for the groups that say who may reach
    it.
    """

    name: str
    kind: BalancerKind = BalancerKind.APPLICATION
    scheme: Scheme = Scheme.INTERNAL
    network: str = ""
    subnets: tuple[str, ...] = ()
    security: tuple[str, ...] = ()  # empty: the network's default
    listeners: tuple[Listener, ...] = ()
    routes: tuple[Route, ...] = ()
    span: Span | None = field(default=None, compare=False, repr=False)
    #: By statement (``"network"``), and by what stands there (``"network subnet-1"``).
    spans: Mapping[str, Span] = field(default_factory=_no_spans, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Program:
    """Everything that a file declares, together with the files that it includes."""

    cluster: Cluster = field(default_factory=Cluster)
    nodes: tuple[Node, ...] = ()
    services: tuple[Service, ...] = ()
    balancers: tuple[Balancer, ...] = ()
    checked: bool = field(default=False, init=False, compare=False, repr=False)  # see :func:`note_checked`

    @property
    def held_by_others(self) -> tuple[Address, ...]:
        """The service addresses that somebody other than svcc puts on a device of the machine: shared ones, and under
        ``vip-device none`` all. Each comes once.
        """
        everything = self.cluster.vip_device is None
        found = (service.addresses if everything else service.shared for service in self.services)
        return tuple(dict.fromkeys(address for some in found for address in some))

    def node(self, name: str) -> Node | None:
        """Return the node with that name, or None where there is none."""
        return next((node for node in self.nodes if node.name == name), None)

    def service(self, name: str) -> Service | None:
        """Return the service with that name, or None where there is none."""
        return next((service for service in self.services if service.name == name), None)


def note_checked(program: Program) -> None:
    """Note that a program, and each of its services, was checked, and has no error. A copy with other fields does not
    have that note."""
    for one in (program, *program.services):
        object.__setattr__(one, "checked", True)

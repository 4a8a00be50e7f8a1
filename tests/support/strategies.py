"""Hypothesis strategies: valid programs, and programs that a target accepts.

Everything is drawn from short lists whose first member is the plainest, so that a failure shrinks to a program that a
person can read. No draw is rejected as invalid: what would clash is moved to the next free place.

    programs()                          any program of the language
    programs(features={Feature.VIP})    one that uses these features and no others
    programs_for(target)                a program and a node that the target accepts
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, TypeVar

from hypothesis import assume
from hypothesis import strategies as st

from support.balancer_programs import led_only, with_balancers
from support.kept_strategies import KEPT, sampled_from, several
from svcc.compiler import ir
from svcc.compiler.features import Feature
from svcc.compiler.health_checks import service_ports
from svcc.targets.capability import check_target
from svcc.targets.interface import Target

T = TypeVar("T")

ALL_FEATURES = frozenset(Feature)

_LONG = "team/service-with-a-name-that-does-not-fit-into-that-of-a-chain-"
#: The first are plain; then names that differ little, are keywords, or are too long for a kernel object.
NAMES = (
    "a",
    "b",
    "shop/web",
    "shop.web",
    "shop_web",
    "A",
    "a-b",
    "9to5/web",
    "a@2",
    "a_2",
    "service",
    "endpoints",
    "on",
    f"{_LONG}1",
    f"{_LONG}2",
    "_",
)
PORT_NAMES = ("http", "quic", "x", "x-y", "b", "8080-tcp", "a{b;$#", "nodeport", "a-port-with-a-name-of-its-own")
NODE_NAMES = ("node-a", "node-b", "draining", "10.0.0.4")

VIPS = tuple(map(ip_address, ("198.19.0.1", "198.19.0.2", "fd00:19::1", "198.19.255.255", "fd00:19::ffff:1")))
EXTERNAL_IPS = tuple(map(ip_address, ("203.0.113.7", "2001:db8:7::7", "203.0.113.8")))
#: The addresses of ``snat``, to which sources are rewritten.
SOURCES = tuple(
    tuple(map(ip_address, some))
    for some in ((), ("203.0.113.20",), ("203.0.113.20", "203.0.113.21", "fd00:20::1"), ("198.19.0.1",))
)
#: Inside a pod network of :data:`PODS`, and outside; the last is a node's own address.
ENDPOINTS = tuple(
    map(
        ip_address,
        (
            *("100.64.0.1", "100.64.0.2", "100.64.0.3", "fd00:64::1", "fd00:64::2"),
            *("192.0.2.9", "2001:db8:9::9", "100.64.0.4", "fd00:64::3", "10.0.0.4"),
        ),
    )
)
#: Pools whose members register themselves.
_REGISTERED = (
    ir.Registered("joined", (ip_network("100.64.0.0/24"), ip_network("fd00:64::/64"))),
    ir.Registered("joined/too", (ip_network("192.0.2.0/24"),)),
)
_NODE_ADDRESSES = (
    tuple(map(ip_address, ("10.0.0.4", "fd00:10::4", "10.0.1.4"))),
    tuple(map(ip_address, ("10.0.0.5", "fd00:10::5"))),
    tuple(map(ip_address, ("fd00:10::6",))),
)
PODS = tuple(map(ip_network, ("100.64.0.0/24", "fd00:64::/64", "100.64.0.0/29", "172.16.0.0/31", "fd00:65::/64")))
#: Networks of service addresses: some vips and external ips are inside, and no pod or node.
SERVICES = tuple(map(ip_network, ("198.19.0.0/24", "fd00:19::/64", "198.19.0.0/16", "203.0.113.0/29", "fd00:20::/64")))
CLIENTS = tuple(
    map(
        ip_network,
        (
            *("10.0.0.0/8", "2001:db8:100::/48", "10.1.0.0/16", "192.0.2.1/32", "0.0.0.0/0", "::/0"),
            *("2001:db8::1/128", "0.0.0.0/1"),
        ),
    )
)
_SERVING = tuple(map(ip_network, ("10.0.0.0/8", "fd00:10::/64", "10.0.0.4/32", "192.0.2.0/24")))
#: No check, and checks with every option, and with characters that have to be quoted.
CHECKS = (
    None,
    ir.Check(ir.CheckKind.TCP),
    ir.Check(ir.CheckKind.HTTP, path="/healthz", expect=(200, 299), every=0.5, timeout=0.25, fall=1, rise=1000),
    ir.Check(ir.CheckKind.HTTPS, 8443, path="/a?b=c,d&e=%20", host="shop.example:443", insecure=True),
    ir.Check(ir.CheckKind.HTTPS, 1, path="/{;}#[]'", host="10.0.0.1", expect=(404, 404), every=3600, timeout=3600),
    ir.Check(ir.CheckKind.DNS, name="shop.example."),
    ir.Check(ir.CheckKind.DNS, name="9-to_5.example", timeout=0.01),
    ir.Check(ir.CheckKind.UDP, 65_535),
)
_NODE_PORTS = (ir.PortRange(30000, 32767), ir.PortRange(65400, 65535), ir.PortRange(1, 200))


def programs(
    features: Collection[Feature] = ALL_FEATURES,
    *,
    min_services: int = 0,
    max_services: int = 3,
    min_nodes: int = 0,
) -> st.SearchStrategy[ir.Program]:
    """Draw valid programs that use no features but these, of which one has to be a way to reach a service."""
    return _programs(frozenset(features), min_services, max_services, min_nodes)


@st.composite
def programs_for(
    draw: st.DrawFn, target: Target, *, min_services: int = 1, max_services: int = 3
) -> tuple[ir.Program, ir.Node | None]:
    """Draw a program with a node that the target accepts."""
    program = draw(programs(target.features, min_services=min_services, max_services=max_services, min_nodes=1))
    services = tuple(tame(service if target.translates else on_its_ports(service)) for service in program.services)
    program = led_only(replace(program, services=services))
    node = draw(sampled_from(program.nodes))
    assume(not check_target(program, target, node))
    return program, node


@st.composite
def widely_weighted_for(draw: st.DrawFn, target: Target) -> tuple[ir.Program, ir.Node | None]:
    """Draw a program and a node that the target accepts, whose endpoints have any weights, with schedulers that follow
    them."""
    program, node = draw(programs_for(target))
    weights = st.integers(0, 65_535) | st.integers(1, 40)
    schedulers = [
        s for s in (ir.Scheduler.WRR, ir.Scheduler.RANDOM) if Feature[f"SCHEDULER_{s.name}"] in target.features
    ]

    def weighted(service: ir.Service) -> ir.Service:
        if Feature.WEIGHT not in target.features or not service.endpoints:
            return service
        endpoints = tuple(replace(endpoint, weight=draw(weights)) for endpoint in service.endpoints)
        scheduler = draw(st.sampled_from(schedulers))
        return replace(service, scheduler=scheduler, scheduler_by=ir.HashBy.ADDRESS, endpoints=endpoints)

    program = replace(program, services=tuple(map(weighted, program.services)))
    assume(not check_target(program, target, node))
    return program, node


def tame(service: ir.Service) -> ir.Service:
    """Return the service without the combinations that targets refuse most, so that few draws are rejected.

    Under ``forward direct`` and ``tunnel`` packets are not changed: no other port, no node port, no masquerade.
    """
    if service.scheduler is ir.Scheduler.DH:
        endpoints = tuple(replace(e, weight=e.weight or 1, backup=False) for e in service.endpoints)
        traffic = [
            t if t is ir.Traffic.LOCAL else ir.Traffic.CLUSTER
            for t in (service.external_traffic, service.internal_traffic)
        ]
        service = replace(service, endpoints=endpoints, external_traffic=traffic[0], internal_traffic=traffic[1])
        service = replace(service, check=None)
    if service.one_packet and any(port.protocol is not ir.Protocol.UDP for port in service.ports):
        service = replace(service, one_packet=False)
    if service.forward is ir.Forward.MASQUERADE:
        return replace(service, one_packet=False)
    if not (service.vips or service.external_ips):
        return replace(service, forward=ir.Forward.MASQUERADE, one_packet=False)
    ports = tuple(replace(port, target=port.ports.first, nodeport=None) for port in service.ports)
    endpoints = tuple({e.address: replace(e, port=None) for e in service.endpoints}.values())
    masquerade = ir.Masquerade.NEVER if service.masquerade is ir.Masquerade.NEVER else ir.Masquerade.AUTO
    return replace(service, ports=ports, endpoints=endpoints, masquerade=masquerade, masquerade_from=(), snat=())


def on_its_ports(service: ir.Service) -> ir.Service:
    """Return the service; where its affinity covers all its ports, with endpoints that listen on these ports."""
    if not service.affinity_per_service:
        return service
    if service.vips or service.external_ips:
        ports = tuple(replace(port, target=port.ports.first, nodeport=None) for port in service.ports)
    else:
        ports = tuple(replace(port, target=port.nodeport.first) for port in service.ports if port.nodeport)
    endpoints = tuple({e.address: replace(e, port=None) for e in service.endpoints}.values())
    return replace(service, ports=ports, endpoints=endpoints)


@lru_cache(KEPT)
@st.composite
def _programs(
    draw: st.DrawFn, features: frozenset[Feature], min_services: int, max_services: int, min_nodes: int
) -> ir.Program:
    cluster = draw(_clusters(features))
    nodes = draw(_nodes(min_nodes))
    names = draw(_different_names(NAMES, min_services, max_services))
    services = _Services(draw, features, cluster, nodes)
    found = [services.service(name) for name in names]
    program = ir.Program(cluster, nodes, tuple(sorted(found, key=lambda service: service.name)))
    return draw(with_balancers(program))


@lru_cache(KEPT)
def _different_names(usual: tuple[str, ...], min_size: int, max_size: int) -> st.SearchStrategy[list[str]]:
    return st.lists(_names(usual), unique=True, min_size=min_size, max_size=max_size)


def _names(usual: Sequence[str]) -> st.SearchStrategy[str]:
    any_name = st.from_regex(r"[A-Za-z_][A-Za-z0-9_./-]{0,9}|[A-Za-z0-9_][!#-&(-Z^_a-~]{0,9}", fullmatch=True)
    return st.sampled_from(usual) | any_name


@lru_cache(KEPT)
@st.composite
def _clusters(draw: st.DrawFn, features: frozenset[Feature]) -> ir.Cluster:
    serving = several(_SERVING) if Feature.NODE_PORT_ADDRESSES in features else st.just(())
    return ir.Cluster(
        prefix=draw(sampled_from(("SVCC", "CUSTOM", "a", "Lb_1-x"))),
        pods=draw(several(PODS)),
        services=draw(several(SERVICES)) if Feature.SERVICES in features else (),
        nodeports=draw(sampled_from(_NODE_PORTS)),
        nodeport_addresses=draw(serving),
        vip_device=draw(sampled_from(("svcc0", "custom-ipvs0", "_.x", None))),
        mark=draw(sampled_from((0x4000, 1, 0x8000_0000))),
    )


@lru_cache(KEPT)
@st.composite
def _nodes(draw: st.DrawFn, min_size: int) -> tuple[ir.Node, ...]:
    names = draw(several(NODE_NAMES, min_size, 2))
    nodes = []
    for name, addresses in zip(sorted(names), _NODE_ADDRESSES, strict=False):
        count = draw(st.integers(1, len(addresses)))
        nodes.append(ir.Node(name, addresses[:count], draw(sampled_from((None, "eu-1a", "zone")))))
    return tuple(nodes)


_OTHER_CLIENTS = st.just(()) | several(CLIENTS)
_FOUR_ENDPOINTS = st.lists(st.sampled_from(ENDPOINTS), max_size=4)


class _Taken:
    """The ports that are given away, by what they are ports of."""

    def __init__(self) -> None:
        self._ranges: dict[object, list[ir.PortRange]] = {}

    def place(self, keys: Iterable[object], wanted: ir.PortRange, room: ir.PortRange) -> ir.PortRange | None:
        """Take as many ports as wanted: these, or the next in ``room`` that are free for all keys. Return None where
        there are none."""
        keys = list(keys)
        taken = [ports for key in keys for ports in self._ranges.get(key, ())]
        starts = {wanted.first, room.first, *(ports.last + 1 for ports in taken)}
        for start in sorted(starts, key=lambda start: (start < wanted.first, start)):
            ports = ir.PortRange(start, start + len(wanted) - 1)
            if ports.last <= room.last and not any(ports.overlaps(other) for other in taken):
                for key in keys:
                    self._ranges.setdefault(key, []).append(ports)
                return ports
        return None


_PORTS = ir.PortRange(1, 65_535)


class _Services:
    """Draws the services of one program, which do not clash with each other."""

    def __init__(
        self, draw: st.DrawFn, features: frozenset[Feature], cluster: ir.Cluster, nodes: tuple[ir.Node, ...]
    ) -> None:
        self._draw = draw
        self._features = features
        self._cluster = cluster
        self._nodes = [None, *(node.name for node in nodes)]
        self._taken = _Taken()
        self._shared: dict[ir.Address, bool] = {}

    def _one(self, options: Sequence[T]) -> T:
        return self._draw(sampled_from(options))

    def _if(self, feature: Feature, options: Sequence[T]) -> T:
        """Draw one of the options; only the first where the feature is not to be used."""
        return self._one(options if feature in self._features else options[:1])

    def _choice(self, plain: Any, choices: dict[Any, Feature]) -> Any:
        """Draw ``plain``, or one of the choices whose feature may be used."""
        return self._one([plain, *(value for value, feature in choices.items() if feature in self._features)])

    def service(self, name: str) -> ir.Service:
        ways = [w for w in (Feature.VIP, Feature.EXTERNAL_IP, Feature.NODE_PORT) if w in self._features]
        reach = self._draw(several(ways, 1))
        service = ir.Service(
            name=name,
            vips=self._draw(several(VIPS, 1)) if Feature.VIP in reach else (),
            external_ips=self._draw(several(EXTERNAL_IPS, 1)) if Feature.EXTERNAL_IP in reach else (),
            allow_from=self._draw(several(CLIENTS)) if Feature.ALLOW_FROM in self._features else (),
            **self._settings(),
        )
        if service.masquerade is ir.Masquerade.AUTO and Feature.MASQUERADE_NETWORK in self._features:
            service = replace(service, masquerade_from=self._draw(_OTHER_CLIENTS))
        if service.forward is ir.Forward.MASQUERADE and Feature.SNAT in self._features:
            service = replace(service, snat=self._one(SOURCES))
        service = self._with_one_memory(self._with_owners(service))
        service = self._with_ports(service, Feature.NODE_PORT in reach)
        check = self._one(CHECKS)
        if check is not None and check.port is None and len(service_ports(service, check.kind)) != 1:
            check = replace(check, port=8081)
        failed = self._one((ir.WhenFailed.OPEN, ir.WhenFailed.EMPTY))
        service = replace(service, endpoints=self._endpoints(service.ports), check=check, when_failed=failed)
        return replace(service, registered=self._one(((), (), _REGISTERED[:1], _REGISTERED)))

    def _with_owners(self, service: ir.Service) -> ir.Service:
        """Choose who holds the service's addresses: svcc, which may announce them, or (``shared``) somebody else."""
        service = replace(
            service,
            vips=tuple(sorted(service.vips, key=self._is_shared)),
            external_ips=tuple(sorted(service.external_ips, key=self._is_shared)),
        )
        shared = tuple(address for address in service.addresses if self._is_shared(address))
        may = Feature.ANNOUNCE in self._features and self._cluster.vip_device and service.addresses and not shared
        return replace(service, shared=shared, announce=bool(may) and self._one((False, True)))

    def _with_one_memory(self, service: ir.Service) -> ir.Service:
        """Let an affinity perhaps cover all of a service, where everything that it listens on has the same
        endpoints."""
        if service.affinity is None or not self._if(Feature.AFFINITY_PER_SERVICE, (False, True)):
            return service
        if service.external_traffic is not service.internal_traffic:
            service = replace(service, external_traffic=ir.Traffic.CLUSTER, internal_traffic=ir.Traffic.CLUSTER)
        return replace(service, affinity_per_service=True)

    def _is_shared(self, address: ir.Address) -> bool:
        """Whether an address is shared: one decision for all services that have it."""
        if address not in self._shared:
            self._shared[address] = self._if(Feature.SHARED, (False, True))
        return self._shared[address]

    def _settings(self) -> dict[str, Any]:
        def traffic(clients: str) -> ir.Traffic:
            choices = {t: Feature(f"traffic {clients} {t}") for t in ir.Traffic if t is not ir.Traffic.CLUSTER}
            found: ir.Traffic = self._choice(ir.Traffic.CLUSTER, choices)
            return found

        scheduler = self._choice(None, {s: Feature[f"SCHEDULER_{s.name}"] for s in ir.Scheduler})
        ports = {ir.Scheduler.SH: Feature.SCHEDULER_SH_BY_PORT, ir.Scheduler.MH: Feature.SCHEDULER_MH_BY_PORT}
        by = self._if(ports[scheduler], (*ir.HashBy,)) if scheduler in ports else ir.HashBy.ADDRESS
        affinity = self._if(Feature.AFFINITY, (None, ir.DEFAULT_AFFINITY, 1, 90, 86_400))
        lengths = ((32, 128), (24, 64), (31, 128), (32, 48), (1, 1)) if affinity is not None else ((32, 128),)
        networks = self._if(Feature.AFFINITY_NETWORKS, lengths)
        return {
            "scheduler": scheduler,
            "scheduler_by": by,
            "affinity": affinity,
            "one_packet": self._if(Feature.ONE_PACKET, (False, True)),
            "affinity_networks": networks,
            "external_traffic": traffic("external"),
            "internal_traffic": traffic("internal"),
            "masquerade": self._choice(
                ir.Masquerade.AUTO,
                {
                    ir.Masquerade.ALWAYS: Feature.MASQUERADE_ALWAYS,
                    ir.Masquerade.NEVER: Feature.MASQUERADE_NEVER,
                },
            ),
            "forward": self._choice(
                ir.Forward.MASQUERADE,
                {ir.Forward.DIRECT: Feature.FORWARD_DIRECT, ir.Forward.TUNNEL: Feature.FORWARD_TUNNEL},
            ),
            "when_empty": self._choice(
                ir.WhenEmpty.REJECT,
                {
                    ir.WhenEmpty.DROP: Feature.WHEN_EMPTY_DROP,
                    ir.WhenEmpty.DRAINING: Feature.WHEN_EMPTY_DRAINING,
                },
            ),
        }

    # -- ports ----------------------------------------------------------------------------------------------------

    def _with_ports(self, service: ir.Service, node_ports: bool) -> ir.Service:
        names = self._draw(_different_names(PORT_NAMES, 1, 3))
        unnamed = len(names) == 1 and self._draw(sampled_from((True, False)))
        needed = not (service.vips or service.external_ips)
        ports = []
        for name in [None] if unnamed else names:
            port = self._port(service, name)
            if node_ports and (needed or self._one((True, False))):
                port = replace(port, nodeport=self._node_port(port))
                needed = False
            ports.append(port)
        assume(not needed or any(port.nodeport for port in ports))
        return replace(service, ports=tuple(ports))

    def _port(self, service: ir.Service, name: str | None) -> ir.Port:
        protocol = self._one((ir.Protocol.TCP, ir.Protocol.UDP, ir.Protocol.SCTP))
        if protocol is ir.Protocol.SCTP and Feature.SCTP not in self._features:
            protocol = ir.Protocol.TCP
        width = self._if(Feature.PORT_RANGE, (1, 2, 3, 8))
        first = self._one((80, 53, 81, 1, 65_500))
        keys = [(address, protocol) for address in (*service.vips, *service.external_ips)]
        ports = self._taken.place(keys, ir.PortRange(first, first + width - 1), _PORTS)
        assert ports is not None, "65,535 ports are enough for three services"
        target = ports.first
        if width == 1 or Feature.PORT_RANGE_SHIFT in self._features:
            target = self._one((ports.first, 8080, 8081, 1, 65_536 - width))
        return ir.Port(name, protocol, ports, target)

    def _node_port(self, port: ir.Port) -> ir.PortRange | None:
        room, width = self._cluster.nodeports, len(port.ports)
        first = self._one((room.first, room.first + 1, room.last - width + 1))
        wanted = ir.PortRange(first, first + width - 1)
        if width > 1 and Feature.PORT_RANGE_SHIFT not in self._features:
            inside = port.targets.first in room and port.targets.last in room
            room = wanted = port.targets
            if not inside:
                return None
        return self._taken.place([port.protocol], wanted, room)

    # -- endpoints ------------------------------------------------------------------------------------------------

    def _endpoints(self, ports: tuple[ir.Port, ...]) -> tuple[ir.Endpoint, ...]:
        found: dict[tuple[ir.Address, int | None], ir.Endpoint] = {}
        only = ports[0] if len(ports) == 1 else None
        for address in self._draw(_FOUR_ENDPOINTS):
            port = None
            if only is not None:
                port = self._if(Feature.ENDPOINT_PORT, (None, 9443, 8080, 65_536 - len(only.ports)))
            weight = self._one((1, 0, 2, 3, 65_535) if Feature.WEIGHT in self._features else (1, 0))
            backup = self._if(Feature.BACKUP, (False, True))
            most = self._if(Feature.MAX_CONNECTIONS, (None, 1, 200, 2**31 - 1))
            endpoint = ir.Endpoint(address, port, weight, self._one(self._nodes), backup, most)
            found.setdefault((address, port if only is None or port else only.target), endpoint)
        return tuple(found.values())

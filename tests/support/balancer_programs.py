"""Hypothesis strategies that add balancers to programs with node ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import strategies as st

from support.kept_strategies import sampled_from, several
from svcc.compiler import ir

_NAMES = ("public", "p", "shop/web", "Public", "9to5 is no name".replace(" ", "-"), "a@2", "p80")
_INSTANCES = ("i-00817b787137b46c7", "i-0f3e1c2d4b5a69788", "i-0123abcd")
_SUBNETS = ("subnet-02468af75594a6335", "subnet-025434f8fe8868f14", "subnet-0123abcd")
_GROUPS = ("sg-05884928af06d5957", "sg-0123abcd")
#: First plain paths; then patterns of which several may match one request, and the longest possible path.
_PATHS = (
    *("/", "/svc1", "/service1", "/a/b", "/~x/y.html", "/*", "/shop/*", "/shop/*.png", "/shop/a*", "/?"),
    *("/1", "/2", "/3", "/4", "/5", "/6", "/" + "x" * 127),
)
_ANSWERS = (
    ir.DefaultAnswer(),
    ir.DefaultAnswer(503, "Retry later"),
    ir.DefaultAnswer(200),
    ir.DefaultAnswer(404, "{;#漢}"),
)
_HTTP = ir.ListenProtocol.HTTP


@st.composite
def with_balancers(draw: st.DrawFn, program: ir.Program, *, min_size: int = 0) -> ir.Program:
    """Draw the program with balancers, where it has ports to which they can lead; else return it unchanged."""
    led = [
        (service, port)
        for service in program.services
        for port in service.ports
        if port.nodeport is not None and len(port.ports) == 1 and port.protocol is not ir.Protocol.SCTP
    ]
    if not led:
        return program
    names = draw(several(_NAMES, min_size, 2))
    if not names:
        return program
    balancers = tuple(draw(_balancer(name, led)) for name in sorted(names))
    instances = _INSTANCES[: len(program.nodes)] if draw(sampled_from((True, True, True, False))) else ()
    nodes = tuple(replace(node, instance=one) for node, one in zip(program.nodes, instances, strict=False))
    return replace(program, nodes=nodes or program.nodes, balancers=balancers)


@st.composite
def balanced(draw: st.DrawFn, program: ir.Program) -> ir.Program:
    """Draw the program with balancers. Ports that lack only a node port to be led to get one."""
    return program if program.balancers else draw(with_balancers(_with_node_ports(program), min_size=1))


def _with_node_ports(program: ir.Program) -> ir.Program:
    room = program.cluster.nodeports
    given = [port.nodeport for service in program.services for port in service.ports if port.nodeport]
    free = (n for n in range(room.first, room.last + 1) if not any(n in ports for ports in given))

    def reached(port: ir.Port) -> ir.Port:
        if port.nodeport is not None or len(port.ports) > 1:
            return port
        number = next(free)
        return replace(port, nodeport=ir.PortRange(number, number))

    services = tuple(replace(service, ports=tuple(map(reached, service.ports))) for service in program.services)
    return replace(program, services=services)


_Led = Sequence[tuple[ir.Service, ir.Port]]


def led_only(program: ir.Program) -> ir.Program:
    """Return the program without balancers that lead to node ports which it does not have any more."""

    def leads(route: ir.Route) -> bool:
        service = program.service(route.service)
        port = None if service is None else service.port(route.port)
        return port is not None and port.nodeport is not None

    return replace(program, balancers=tuple(b for b in program.balancers if all(map(leads, b.routes))))


@st.composite
def _balancer(draw: st.DrawFn, name: str, led: _Led) -> ir.Balancer:
    http = [(service, port) for service, port in led if port.protocol is ir.Protocol.TCP]
    kind = draw(sampled_from([*ir.BalancerKind] if http else [ir.BalancerKind.NETWORK]))
    application = kind is ir.BalancerKind.APPLICATION
    found = draw(_application(http)) if application else draw(_network(led))
    return ir.Balancer(
        name,
        kind,
        draw(sampled_from([*ir.Scheme])),
        "vpc-0b50ec3f3729df7a8",
        draw(st.permutations(_SUBNETS).map(lambda some: tuple(some[: 2 if application else 1]))),
        draw(sampled_from(((), _GROUPS[:1], _GROUPS))),
        *found,
    )


_Found = tuple[tuple[ir.Listener, ...], tuple[ir.Route, ...]]


@st.composite
def _application(draw: st.DrawFn, led: _Led) -> _Found:
    ports = draw(sampled_from(((80,), (8080, 80))))
    listeners = tuple(ir.Listener(port, _HTTP, draw(sampled_from(_ANSWERS))) for port in ports)
    paths = draw(several(_PATHS, max_size=8))
    routes = []
    while paths:
        count = draw(st.integers(1, len(paths)))
        routes.append(_route(draw, led, paths=paths[:count]))
        paths = paths[count:]
    return listeners, tuple(routes)


@st.composite
def _network(draw: st.DrawFn, led: _Led) -> _Found:
    listeners, routes = [], []
    for number in draw(several((443, 53, 1, 65_535), 1, 3)):
        service, port = draw(st.sampled_from(led))
        listeners.append(ir.Listener(number, ir.ListenProtocol(port.protocol.value)))
        routes.append(_route(draw, [(service, port)], listener=number))
    return tuple(listeners), tuple(routes)


def _route(draw: st.DrawFn, led: _Led, *, paths: tuple[str, ...] = (), listener: int | None = None) -> ir.Route:
    """Return a route to one of the ports, whose name may be left out where it is the service's only one."""
    service, port = draw(st.sampled_from(led))
    name = port.name if len(service.ports) > 1 else draw(sampled_from((None, port.name)))
    return ir.Route(service.name, name, paths, listener)

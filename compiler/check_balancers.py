"""Checks of balancers on the finished IR: they can listen as they say, and their routes lead to services that fit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, related
from svcc.compiler.names import written
from svcc.compiler.source import Span
from svcc.compiler.suggest import did_you_mean, one_of

_HTTP = ir.ListenProtocol.HTTP
#: A path, with ``*`` and ``?``: what Elastic Load Balancing compares a request's path with (its path conditions).
_PATH = re.compile(r"/[A-Za-z0-9_.$/~\"'@:+&*?-]{0,127}")
_PATH_FORM = "a path has at most 128 characters: letters, digits, `_-.$/~'@:+&`, and `*` and `?` for any"


def check_balancers(program: ir.Program) -> Iterator[Diagnostic]:
    """Return the errors of the balancers, each with the place of the word that is to blame."""
    services = {service.name: service for service in program.services}
    yield from _check_instances(program)
    for balancer in program.balancers:
        yield from _check_listeners(balancer)
        yield from _check_routes(balancer)
        for route in balancer.routes:
            yield from _check_target(balancer, route, services)


def _check_instances(program: ir.Program) -> Iterator[Diagnostic]:
    seen: dict[str, ir.Node] = {}
    for node in program.nodes:
        if node.instance is None:
            continue
        first = seen.setdefault(node.instance, node)
        if first is not node:
            message = f"nodes {first.name} and {node.name} are the same instance, {node.instance}"
            again = related("first here", first.spans.get("instance", first.span))
            yield Diagnostic(Code.DUPLICATE, message, node.spans.get("instance", node.span), None, again)


def _check_listeners(balancer: ir.Balancer) -> Iterator[Diagnostic]:
    if not balancer.listeners:
        usual = "80/http" if balancer.kind is ir.BalancerKind.APPLICATION else "443/tcp"
        message = f"balancer `{balancer.name}` has no `listen` statement"
        yield Diagnostic(Code.MISSING, message, balancer.span, f"say where: listen {usual}")
    seen: dict[int, ir.Listener] = {}
    for listener in balancer.listeners:
        fits = (listener.protocol is _HTTP) == (balancer.kind is ir.BalancerKind.APPLICATION)
        if not fits:
            message = f"an {balancer.kind} balancer cannot listen to {listener.protocol}"
            if balancer.kind is ir.BalancerKind.NETWORK:
                message = message.replace("an ", "a ", 1)
            other = next(kind for kind in ir.BalancerKind if kind is not balancer.kind)
            protocols = "http" if balancer.kind is ir.BalancerKind.APPLICATION else "tcp and udp"
            hint = f"{balancer.kind} is for {protocols}; {listener.protocol} needs: kind {other}"
            yield Diagnostic(Code.LISTENER, message, listener.span or balancer.span, hint)
        first = seen.setdefault(listener.port, listener)
        if first is not listener:
            message = f"balancer {balancer.name} listens on port {listener.port} twice"
            yield Diagnostic(
                Code.LISTENER, message, listener.span or balancer.span, None, related("first here", first.span)
            )


def _check_routes(balancer: ir.Balancer) -> Iterator[Diagnostic]:
    if balancer.kind is ir.BalancerKind.APPLICATION:
        yield from _check_paths(balancer)
    else:
        yield from _check_routes_of_listeners(balancer)


def _check_paths(balancer: ir.Balancer) -> Iterator[Diagnostic]:
    seen: dict[str, Span | None] = {}
    for route in balancer.routes:
        if not route.paths:
            message = "a route of an application balancer begins with paths"
            span = route.spans.get("listener", route.span) or balancer.span
            yield Diagnostic(Code.ROUTE, message, span, f"write: route / -> {route.service}")
        for path in route.paths:
            span = route.spans.get(path, route.span) or balancer.span
            if not _PATH.fullmatch(path):
                yield Diagnostic(Code.ROUTE, f"`{path}` cannot be a path of a route", span, _PATH_FORM)
            elif path in seen:
                message = f"path {path} has two routes in balancer {balancer.name}"
                yield Diagnostic(Code.ROUTE_CLASH, message, span, None, related("first here", seen[path]))
            seen.setdefault(path, span)


def _check_routes_of_listeners(balancer: ir.Balancer) -> Iterator[Diagnostic]:
    ports = [listener.port for listener in balancer.listeners]
    seen: dict[int, Span | None] = {}
    for route in balancer.routes:
        span = route.spans.get("listener", route.span) or balancer.span
        if route.listener is None:
            message = "a route of a network balancer begins with the port of a listener"
            span = next((route.spans[path] for path in route.paths if path in route.spans), span)
            yield Diagnostic(Code.ROUTE, message, span, "paths are for: kind application")
        elif route.listener not in ports:
            hint = f"it listens on {one_of([str(port) for port in ports], 'and')}" if ports else None
            message = f"balancer {balancer.name} does not listen on port {route.listener}"
            yield Diagnostic(Code.ROUTE, message, span, hint)
        elif route.listener in seen:
            message = f"listener {route.listener} has two routes in balancer {balancer.name}"
            yield Diagnostic(Code.ROUTE_CLASH, message, span, None, related("first here", seen[route.listener]))
        else:
            seen[route.listener] = span
    for listener in balancer.listeners:
        if listener.port not in seen and listener.protocol is not _HTTP:
            hint = f"say who takes its connections: route {listener.port} -> SERVICE:PORT"
            message = f"listener {listener.port} of balancer {balancer.name} has no route"
            yield Diagnostic(Code.MISSING, message, listener.span or balancer.span, hint)


def _check_target(balancer: ir.Balancer, route: ir.Route, services: dict[str, ir.Service]) -> Iterator[Diagnostic]:
    span = route.span or balancer.span
    service = services.get(route.service)
    if service is None:
        hint = did_you_mean(route.service, list(services), written)
        yield Diagnostic(Code.UNDEFINED, f"there is no service `{route.service}`", span, hint)
        return
    port = service.port(route.port)
    if port is None:
        yield _no_port(route, service, span)
    elif port.nodeport is None:
        message = f"a balancer leads to node ports, and `{_named(service, port)}` has none"
        yield Diagnostic(Code.ROUTE, message, span, f"give it one: port {port.ports}/{port.protocol} nodeport PORT")
    elif len(port.ports) > 1:
        message = f"a route leads to one port, and `{_named(service, port)}` has {len(port.ports)}"
        yield Diagnostic(Code.ROUTE, message, span)
    elif (wanted := _wanted(balancer, route)) is not None and port.protocol.value != wanted:
        message = f"a route of {wanted} cannot lead to a port of {port.protocol}"
        yield Diagnostic(Code.ROUTE, message, span)


def _no_port(route: ir.Route, service: ir.Service, span: Span | None) -> Diagnostic:
    names = [port.name for port in service.ports if port.name is not None]
    said = [written(name) for name in names]
    if route.port is None:
        message = f"service {service.name} has {'several ports' if service.ports else 'no port'}"
        hint = f"say which: {one_of([f'{written(service.name)}:{name}' for name in said])}" if names else None
        return Diagnostic(Code.ROUTE, message, span, hint)
    known = (
        f"it has {one_of(said, 'and')}" if names else f"its only port has no name: leave `:{written(route.port)}` out"
    )
    hint = did_you_mean(route.port, names, written) or known
    return Diagnostic(Code.UNDEFINED, f"service {service.name} has no port `{route.port}`", span, hint)


def _wanted(balancer: ir.Balancer, route: ir.Route) -> str | None:
    """Return the protocol that the port of a route must have. Return None where another error hides it."""
    if balancer.kind is ir.BalancerKind.APPLICATION:
        return "tcp"
    found = next((one for one in balancer.listeners if one.port == route.listener), None)
    return None if found is None or found.protocol is _HTTP else found.protocol.value


def _named(service: ir.Service, port: ir.Port) -> str:
    return service.name if port.name is None else f"{service.name}:{port.name}"

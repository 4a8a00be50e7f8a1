"""Makes the resources of a template from a program's balancers."""

from __future__ import annotations

from collections.abc import Iterator

from svcc.compiler import ir
from svcc.compiler.names import label
from svcc.targets.aws.names import logical_id, tag
from svcc.targets.aws.resources import (
    FixedResponse,
    Forward,
    Listener,
    ListenerRule,
    LoadBalancer,
    Resource,
    TargetGroup,
)
from svcc.targets.aws.rules import matched, priorities


def resources(program: ir.Program) -> Iterator[Resource]:
    """Return all resources, balancer by balancer. The program has passed its checks and the target's limits."""
    for balancer in program.balancers:
        yield from _Balancer(program, balancer).resources()


class _Balancer:
    def __init__(self, program: ir.Program, balancer: ir.Balancer) -> None:
        self._balancer = balancer
        self._id = logical_id("LoadBalancer", balancer.name)
        self._instances = tuple(node.instance for node in program.nodes if node.instance is not None)
        #: The target groups by id. Several routes may lead to one port of a service, and share its group.
        self._groups: dict[str, TargetGroup] = {}
        self._routes: list[tuple[str, tuple[str, ...], ir.Route]] = []
        for route in balancer.routes:
            service = program.service(route.service)
            port = None if service is None else service.port(route.port)
            assert service is not None, "it was checked"
            assert port is not None, "it was checked"
            self._add(service, port, route)

    def _add(self, service: ir.Service, port: ir.Port, route: ir.Route) -> None:
        names = (self._balancer.name, service.name, *(() if port.name is None else (port.name,)))
        group = logical_id("TargetGroup", *names)
        assert port.nodeport is not None, "it was checked"
        http = self._balancer.kind is ir.BalancerKind.APPLICATION
        protocol = "HTTP" if http else port.protocol.upper()
        network, node_port = self._balancer.network, port.nodeport.first
        called = tag(label(service.name, port.name))
        self._groups[group] = TargetGroup(group, protocol, node_port, network, self._instances, called)
        self._routes.append((group, names[1:], route))

    def resources(self) -> Iterator[Resource]:
        balancer = self._balancer
        yield LoadBalancer(
            self._id,
            balancer.kind.value,
            balancer.scheme.value,
            balancer.subnets,
            balancer.security,
            tag(balancer.name),
            logical_id("Address", balancer.name),
        )
        yield from self._groups.values()
        for listener in balancer.listeners:
            yield Listener(
                self._listener(listener), self._id, listener.protocol.upper(), listener.port, self._default(listener)
            )
        if balancer.kind is ir.BalancerKind.APPLICATION:
            yield from self._rules()

    def _listener(self, listener: ir.Listener) -> str:
        return logical_id("Listener", self._balancer.name, f"port{listener.port}")

    def _default(self, listener: ir.Listener) -> FixedResponse | Forward:
        if listener.protocol is ir.ListenProtocol.HTTP:
            return FixedResponse(listener.answer.status, listener.answer.body)
        return Forward(next(group for group, _, route in self._routes if route.listener == listener.port))

    def _rules(self) -> Iterator[ListenerRule]:
        """Yield the rules of all listeners.

        Each listener has the same ones: a path leads to one service, whichever port it comes to.
        """
        paths: dict[str, list[str]] = {}
        names: dict[str, tuple[str, ...]] = {}
        for group, whose, route in self._routes:
            paths.setdefault(group, []).extend(route.paths)
            names[group] = whose
        placed = priorities(matched(paths))
        for listener in self._balancer.listeners:
            for rule, priority in sorted(placed.items(), key=lambda item: item[1]):
                about = (self._balancer.name, f"port{listener.port}", *names[rule.group], *rule.names)
                id = logical_id("Rule", *about)
                yield ListenerRule(id, self._listener(listener), priority, rule.paths, Forward(rule.group))

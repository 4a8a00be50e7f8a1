"""What the cloud needs to know for a template, and what it refuses, beyond the checks that every balancer passes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.frontends import node_port_versions
from svcc.compiler.source import Span
from svcc.targets.aws.rules import MOST, matched
from svcc.targets.aws.template import resources

#: The most resources of one template (CloudFormation's quotas).
_RESOURCES = 500
_NAMES = {"instance": "i", "network": "vpc", "subnet": "subnet", "security group": "sg"}
_DIGITS = re.compile(r"[0-9a-f]{8}(?:[0-9a-f]{9})?")


def limits(program: ir.Program) -> Iterator[Diagnostic]:
    """Return errors for what a template cannot have: names, numbers and families that the cloud refuses."""
    if not program.balancers:
        return
    found = [*_nodes(program)]
    for balancer in program.balancers:
        found += _names(balancer)
        found += _subnets(balancer)
        found += _families(program, balancer)
        found += _rules(balancer)
    yield from found
    if not found and (count := sum(1 for _ in resources(program))) > _RESOURCES:
        message = f"the balancers are {count} resources, and a template has at most {_RESOURCES}"
        yield Diagnostic(Code.TARGET_LIMIT, message, program.balancers[0].span, "compile them from several programs")


def _nodes(program: ir.Program) -> Iterator[Diagnostic]:
    if not program.nodes:
        balancer = program.balancers[0]
        hint = "declare the machines: node NAME { address ADDRESS; instance INSTANCE }"
        yield Diagnostic(Code.MISSING, f"balancer `{balancer.name}` has no node behind it", balancer.span, hint)
    for node in program.nodes:
        if node.instance is None:
            hint = "balancers lead to all nodes: instance i-0123456789abcdef0"
            yield Diagnostic(Code.MISSING, f"node `{node.name}` has no instance", node.span, hint)
        else:
            yield from _named("instance", node.instance, node.spans.get("instance", node.span))


def _names(balancer: ir.Balancer) -> Iterator[Diagnostic]:
    for what, statement, names in (
        ("network", "network", (balancer.network,)),
        ("subnet", "network", balancer.subnets),
        ("security group", "security", balancer.security),
    ):
        for name in names:
            yield from _named(what, name, balancer.spans.get(f"{statement} {name}", balancer.span))


def _named(what: str, name: str, span: Span | None) -> Iterator[Diagnostic]:
    begin, _, digits = name.partition("-")
    if begin != _NAMES[what] or not _DIGITS.fullmatch(digits):
        hint = f"it is `{_NAMES[what]}-` and 8 or 17 hexadecimal digits"
        yield Diagnostic(Code.VALUE, f"`{name}` is no {what} of aws", span, hint)


def _subnets(balancer: ir.Balancer) -> Iterator[Diagnostic]:
    """Check that a balancer has its subnets; one for applications needs two, of different zones (its user guide:
    subnets).
    """
    need = 2 if balancer.kind is ir.BalancerKind.APPLICATION else 1
    if len(balancer.subnets) < need:
        message = f"balancer {balancer.name} needs {'two subnets' if need == 2 else 'a subnet'}"
        span = balancer.spans.get("network", balancer.span)
        yield Diagnostic(Code.MISSING, message, span, "they stand behind the network: network VPC SUBNET SUBNET")


def _families(program: ir.Program, balancer: ir.Balancer) -> Iterator[Diagnostic]:
    """Check that services have IPv4 node ports: instances are reached by their IPv4 address."""
    for route in balancer.routes:
        service = program.service(route.service)
        if service is not None and node_port_versions(program, service) == (6,):
            message = f"service {service.name} serves its node ports only by IPv6, and instances are reached by IPv4"
            yield Diagnostic(Code.TARGET_LIMIT, message, route.span or balancer.span)


def _rules(balancer: ir.Balancer) -> Iterator[Diagnostic]:
    paths: dict[str, list[str]] = {}
    for route in balancer.routes:
        paths.setdefault(f"{route.service} {route.port}", []).extend(route.paths)
    if (count := len(matched(paths))) > MOST:
        message = f"balancer {balancer.name} has {count} rules, and a listener has at most {MOST} here"
        yield Diagnostic(Code.TARGET_LIMIT, message, balancer.span, "a pattern such as /shop/* stands for many paths")

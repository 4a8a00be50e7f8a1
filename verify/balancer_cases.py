"""Sends requests through a stand-in for a program's cloud load balancers, and compares the answers with what the
program says of their paths.

A path goes to the port of the route that fits it: the route that has this very path, else the one with the most
characters before its first ``*`` or ``?``, and of equals the longer one. The node ports behind the balancer are like
any others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPException
from ipaddress import ip_address

from svcc.compiler import ir
from svcc.verify.balancer_stand_in import StandIn, ask
from svcc.verify.balancer_template import Template, read
from svcc.verify.cases import Case
from svcc.verify.judge import Verdict, connections_for, judge
from svcc.verify.lab import PEER, Lab, NoReply, Reply, Result
from svcc.verify.packet import Forwarded, Packet, Refusal
from svcc.verify.reference import outcome

_PAGE = re.compile(r"\S+ at (?P<name>\S+) port (?P<port>\d+), asked by (?P<source>\S+) port (?P<source_port>\d+)\n")
_WILDCARD = re.compile(r"[*?]")


def routed(balancer: ir.Balancer, path: str) -> ir.Route | None:
    """Return the route that a path takes. Return None where the listener answers by itself."""
    fitting = [(known, route) for route in balancer.routes for known in route.paths if _fits(known, path)]
    return max(fitting, key=lambda one: _rank(one[0]))[1] if fitting else None


def _fits(pattern: str, path: str) -> bool:
    at = {"*": ".*", "?": "."}
    return re.fullmatch("".join(at.get(sign) or re.escape(sign) for sign in pattern), path) is not None


def _rank(pattern: str) -> tuple[bool, int, int]:
    literal = _WILDCARD.split(pattern, 1)[0]
    return literal == pattern, len(literal), len(pattern)


def paths(balancer: ir.Balancer) -> list[str]:
    """Return one path for each path of a route, and one that no route has, where there is such a path."""
    found = [known.replace("*", "x").replace("?", "y") for route in balancer.routes for known in route.paths]
    other = next((path for n in range(100) if routed(balancer, path := f"/no-route-{n}") is None), None)
    return [*dict.fromkeys(found), *([] if other is None else [other])]


class Balancers:
    """The HTTP balancers of a program in its lab, in whose node the rules are loaded."""

    def __init__(self, program: ir.Program, lab: Lab, default: ir.Scheduler, template: str) -> None:
        """``default``: the scheduler of the target whose rules are loaded. Errors: NotFollowed."""
        self._program, self._lab, self._default = program, lab, default
        self._template: Template = read(template)
        self._source = _ipv4(lab.addresses(PEER))
        nodes = [node for node in program.nodes if node.instance is not None]
        self._instances = {str(node.instance): own for node in nodes if (own := _ipv4(node.addresses)) is not None}

    def verdicts(self, connections: int) -> Iterator[Verdict]:
        """Yield a verdict for each path of each listener, from about ``connections`` requests each."""
        applications = [one for one in self._program.balancers if one.kind is ir.BalancerKind.APPLICATION]
        listeners = iter(self._template.listeners)
        for balancer in applications if self._source is not None and self._serving is not None else ():
            for listener in balancer.listeners:
                followed = next(listeners)
                assert self._source is not None
                namespace = self._lab.namespace(PEER)
                with StandIn(self._template, followed, namespace, self._source, self._instances) as stand_in:
                    stand_in.check()
                    for path in paths(balancer):
                        yield self._verdict(balancer, listener, path, connections)

    @property
    def _serving(self) -> ir.Address | None:
        """The address of the lab's node, if a balancer leads there, else None."""
        own = [*self._lab.node_addresses]
        return next((address for address in self._instances.values() if address in own), None)

    def _verdict(self, balancer: ir.Balancer, listener: ir.Listener, path: str, connections: int) -> Verdict:
        route, title = routed(balancer, path), f"balancer {balancer.name} {listener.port}/http {path}"
        assert self._source is not None
        if route is None:
            packet = Packet(self._source, self._source, ir.Protocol.TCP, listener.port)
            case = Case(title, PEER, "a browser", packet, Refusal.UNTOUCHED, None)
            wanted = f"{listener.answer.status} {listener.answer.body or ''}".strip()
            seen = Counter(self._answer(listener.port, path) for _ in range(min(connections, 3)))
            wrong = next((said for said in seen if said != wanted), None)
            return Verdict(case, dict(seen), "" if wrong is None else f"expected {wanted}, got {wrong}")
        service = self._program.service(route.service)
        port = None if service is None else service.port(route.port)
        assert service is not None, "it was checked"
        assert port is not None, "it was checked"
        assert port.nodeport is not None, "it was checked"
        assert self._serving is not None
        packet = Packet(self._source, self._serving, port.protocol, port.nodeport.first)
        node = self._lab.plan.node
        case = Case(title, PEER, "a browser", packet, outcome(self._program, node, packet), service.scheduler)
        number = connections_for(case, connections, self._default)
        results = [self._result(listener.port, path) for _ in range(number)]
        if not isinstance(case.expected, Forwarded):
            seen = Counter(str(result) for result in results)
            answered = next((one for one in results if isinstance(one, Reply)), None)
            deviation = "" if answered is None else f"expected {case.expected.value}, and {answered.name} answered"
            return Verdict(case, dict(seen), deviation)
        own = frozenset((*self._lab.node_addresses, *self._lab.gateways))
        return judge(case, results, own, service.scheduler or self._default)

    def _answer(self, port: int, path: str) -> str:
        """Return the status and the body of an answer."""
        assert self._source is not None
        try:
            status, text = ask(self._lab.namespace(PEER), self._source, port, path)
        except (OSError, HTTPException) as error:
            return type(error).__name__
        return f"{status} {text}".strip(" ")

    def _result(self, port: int, path: str) -> Result:
        """Return who answered and what it saw, or that nobody answered."""
        said = self._answer(port, path)
        page = _PAGE.fullmatch(said.removeprefix("200 "))
        if page is None:
            return NoReply.REFUSED
        return Reply(page["name"], int(page["port"]), ip_address(page["source"]), int(page["source_port"]))


def _ipv4(addresses: tuple[ir.Address, ...]) -> ir.Address | None:
    return next((address for address in addresses if address.version == 4), None)

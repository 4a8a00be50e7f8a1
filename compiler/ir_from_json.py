"""Reads the IR from JSON. The schema, ``ir.schema.json``, defines the form."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import cast

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.health_checks import OPTIONS
from svcc.compiler.ir_document import (
    BalancerDocument,
    CheckDocument,
    ClusterDocument,
    EndpointDocument,
    ListenerDocument,
    NodeDocument,
    PortDocument,
    ProgramDocument,
    RegisteredDocument,
    RouteDocument,
    ServiceDocument,
)
from svcc.compiler.ir_json_values import Values
from svcc.compiler.json_places import DuplicateKey, Path, places
from svcc.compiler.source import Source, Span

#: The most values that a document may hold. Python takes some hundred bytes for each.
VALUES = 1_000_000


@cache
def schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of the IR."""
    found: dict[str, object] = json.loads(files("svcc.compiler").joinpath("ir.schema.json").read_text(encoding="utf-8"))
    return found


def from_json(source: Source) -> tuple[ir.Program | None, list[Diagnostic]]:
    """Return the program that a JSON text holds, or what is wrong with its form, each error with its place."""
    from jsonschema import Draft202012Validator  # takes 0.1 s to import, and only JSON input needs it

    if too_long(source.text):
        message = f"more than {VALUES} values: that is no program"
        return None, [Diagnostic(Code.IR_INVALID, message, Span(source, 0, 1))]
    try:
        document: object = json.loads(source.text, parse_float=_number)
        found = places(source.text)
    except json.JSONDecodeError as error:
        where = Span(source, error.pos, min(error.pos + 1, len(source.text)))
        return None, [Diagnostic(Code.IR_INVALID, f"not JSON: {error.msg}", where)]
    except DuplicateKey as error:
        where = Span(source, *error.place)
        return None, [Diagnostic(Code.IR_INVALID, f"the key `{error.key}` stands twice in one object", where)]
    except (RecursionError, ValueError) as error:
        return None, [Diagnostic(Code.IR_INVALID, f"not JSON that svcc can read: {error}", Span(source, 0, 1))]

    def span(*path: str | int) -> Span | None:
        place = found.get(path)
        return None if place is None else Span(source, *place)

    if not Draft202012Validator(schema()).is_valid(document):
        from svcc.compiler.schema_errors import schema_errors  # needed only for programs with errors

        return None, list(schema_errors(document, schema(), source, found))
    reader = _Reader(span)
    program = reader.program(cast("ProgramDocument", document))  # the schema has shown that it is one
    return program, reader.diagnostics


def too_long(text: str) -> bool:
    """Whether a text has more values than :func:`from_json` takes."""
    return max(text.count(","), text.count("[") + text.count("{")) > VALUES


def from_own_json(document: object) -> ir.Program:
    """Return the program of a document that :func:`svcc.compiler.ir_to_json.to_json` made and that was stored since.

    Errors: ValueError, where the document is something else.
    """
    reader = _Reader(lambda *_: None)
    try:
        program = reader.program(cast("ProgramDocument", document))
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"it holds no program: {error}") from None
    if reader.diagnostics:
        raise ValueError(reader.diagnostics[0].message)
    return program


def _number(text: str) -> int | float:
    """Return the number.

    ``80.0`` and ``8e1`` are integers to JSON Schema (core 4.2.3), so they become integers here.
    """
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


class _Reader(Values):
    """Makes the IR of JSON that follows the schema."""

    def program(self, document: ProgramDocument) -> ir.Program:
        nodes = [self.node(node, ("nodes", i)) for i, node in enumerate(document.get("nodes", ()))]
        services = [self.service(s, ("services", i)) for i, s in enumerate(document["services"])]
        balancers = [self.balancer(b, ("balancers", i)) for i, b in enumerate(document.get("balancers", ()))]
        self._unique("node", nodes)
        self._unique("service", services)
        self._unique("balancer", balancers)
        self._known_nodes(services, {node.name for node in nodes})
        self._same_pools(services)
        return ir.Program(
            self.cluster(document.get("cluster", {})),
            tuple(sorted(nodes, key=lambda node: node.name)),
            tuple(sorted(services, key=lambda service: service.name)),
            tuple(sorted(balancers, key=lambda balancer: balancer.name)),
        )

    def _unique(self, what: str, named: list[ir.Node] | list[ir.Service] | list[ir.Balancer]) -> None:
        seen: set[str] = set()
        for item in named:
            if item.name in seen:
                self.error(Code.DUPLICATE, f"{what} `{item.name}` is declared twice", item.span)
            seen.add(item.name)

    def _known_nodes(self, services: list[ir.Service], known: set[str]) -> None:
        for service in services:
            for endpoint in service.endpoints:
                if endpoint.node is not None and endpoint.node not in known:
                    self.error(Code.UNDEFINED, f"there is no node `{endpoint.node}`", endpoint.span)

    def _same_pools(self, services: list[ir.Service]) -> None:
        """Check that all services say the same about one pool."""
        known: dict[str, ir.Registered] = {}
        for one in (one for service in services for one in service.registered):
            if known.setdefault(one.pool, one).networks != one.networks:
                message = f"pool `{one.pool}` has other networks in another service"
                self.error(Code.DUPLICATE, message, one.span)

    def cluster(self, document: ClusterDocument) -> ir.Cluster:
        default = ir.Cluster()
        path: Path = ("cluster",)
        mark = document.get("mark", default.mark)
        if mark & (mark - 1):
            self.error(Code.RANGE, f"{mark} has more than one bit", self.span(*path, "mark"))
        spans = {key: self.span(*path, key) for key in document}
        nodeports = self.ports(document["nodeports"], (*path, "nodeports")) if "nodeports" in document else None
        vip_device = document.get("vip-device", default.vip_device)
        return ir.Cluster(
            prefix=document.get("prefix", default.prefix),
            pods=self.networks(document.get("pods", ()), (*path, "pods")),
            services=self.networks(document.get("services", ()), (*path, "services")),
            nodeports=nodeports or default.nodeports,
            nodeport_addresses=self.networks(document.get("nodeport-addresses", ()), (*path, "nodeport-addresses")),
            vip_device=None if vip_device == "none" else vip_device,
            mark=mark,
            spans={key: span for key, span in spans.items() if span is not None},
        )

    def node(self, document: NodeDocument, path: Path) -> ir.Node:
        addresses, spans = self.addresses(document["addresses"], (*path, "addresses"), "address")
        if (span := self.span(*path, "instance")) is not None:
            spans["instance"] = span
        zone, instance = document.get("zone"), document.get("instance")
        return ir.Node(document["name"], addresses, zone, instance, self.span(*path, "name"), spans)

    def balancer(self, document: BalancerDocument, path: Path) -> ir.Balancer:
        default = ir.Balancer("")
        spans = {key: span for key in document if (span := self.span(*path, key)) is not None}
        subnets, security = document.get("subnets", ()), document.get("security", ())
        for key, statement, names in (("subnets", "network", subnets), ("security", "security", security)):
            for i, name in enumerate(names):
                if (span := self.span(*path, key, i)) is not None:
                    spans[f"{statement} {name}"] = span
        if "network" in spans:
            spans[f"network {document['network']}"] = spans["network"]
        return ir.Balancer(
            document["name"],
            ir.BalancerKind(document.get("kind", default.kind)),
            ir.Scheme(document.get("scheme", default.scheme)),
            document["network"],
            tuple(subnets),
            tuple(security),
            tuple(self.listener(one, (*path, "listeners", i)) for i, one in enumerate(document["listeners"])),
            tuple(self.route(route, (*path, "routes", i)) for i, route in enumerate(document["routes"])),
            self.span(*path, "name"),
            spans,
        )

    def listener(self, document: ListenerDocument, path: Path) -> ir.Listener:
        protocol = ir.ListenProtocol(document["protocol"])
        for key in ("status", "body"):
            if key in document and protocol is not ir.ListenProtocol.HTTP:
                self.error(Code.LISTENER, f"a listener of {protocol} cannot answer", self.span(*path, key))
        answer = ir.DefaultAnswer(document.get("status", ir.DefaultAnswer().status), document.get("body"))
        return ir.Listener(document["port"], protocol, answer, self.span(*path))

    def route(self, document: RouteDocument, path: Path) -> ir.Route:
        paths = document.get("paths", ())
        places = {name: self.span(*path, "paths", i) for i, name in enumerate(paths)}
        places["listener"] = self.span(*path, "listener")
        spans = {name: span for name, span in places.items() if span is not None}
        span = self.span(*path, "service")
        return ir.Route(document["service"], document.get("port"), tuple(paths), document.get("listener"), span, spans)

    def port(self, document: PortDocument, path: Path) -> ir.Port | None:
        ports = self.ports(document["ports"], (*path, "ports"))
        nodeport = self.ports(document["nodeport"], (*path, "nodeport")) if "nodeport" in document else None
        if ports is None:
            return None
        target = document.get("target", ports.first)
        if target + len(ports) - 1 > 65_535:
            self.error(Code.PORT, f"{len(ports)} ports from {target} go beyond 65535", self.span(*path, "target"))
        if nodeport is not None and len(nodeport) != len(ports):
            message = f"{nodeport} has {len(nodeport)} ports, and {ports} has {len(ports)}"
            self.error(Code.PORT, message, self.span(*path, "nodeport"))
        spans = {key: span for key in document if (span := self.span(*path, key)) is not None}
        protocol = ir.Protocol(document["protocol"])
        return ir.Port(document.get("name"), protocol, ports, target, nodeport, self.span(*path), spans)

    def endpoint(self, document: EndpointDocument, path: Path) -> ir.Endpoint | None:
        span = self.span(*path, "address")
        address = self.address(document["address"], span)
        if address is None:
            return None
        return ir.Endpoint(
            address,
            document.get("port"),
            document.get("weight", 1),
            document.get("node"),
            document.get("backup", False),
            document.get("max-connections"),
            span,
        )

    def registered(self, documents: Iterable[RegisteredDocument], path: Path) -> tuple[ir.Registered, ...]:
        found: dict[str, ir.Registered] = {}
        for i, one in enumerate(documents):
            here = (*path, i)
            if one["pool"] in found:
                self.error(Code.DUPLICATE, f"pool `{one['pool']}` stands twice", self.span(*here, "pool"))
            found[one["pool"]] = ir.Registered(
                one["pool"], self.networks(one["networks"], (*here, "networks")), self.span(*here)
            )
        return tuple(found.values())

    def check(self, document: CheckDocument, path: Path, spans: dict[str, Span]) -> ir.Check:
        """Return a check, and add the places of its members to ``spans``."""
        kind = ir.CheckKind(document["kind"])
        for key in document:
            if (span := self.span(*path, key)) is not None:
                spans[f"check {key}"] = span
            if key in _OF_SOME and key not in OPTIONS[kind]:
                self.error(Code.CHECK, f"`check {kind}` takes no `{key}`", self.span(*path, key))
        default = ir.Check(kind)
        every, timeout = document.get("every", default.every), document.get("timeout", default.timeout)
        for key, seconds in (("every", every), ("timeout", timeout)):
            if round(seconds, 3) != seconds:
                self.error(Code.RANGE, f"{seconds} is finer than a millisecond", self.span(*path, key))
        expect = default.expect
        if "expect" in document:
            first, _, last = str(document["expect"]).partition("-")
            expect = int(first), int(last or first)
            if expect[0] > expect[1]:
                self.error(Code.RANGE, f"the range {document['expect']} runs backwards", self.span(*path, "expect"))
        return ir.Check(
            kind,
            port=document.get("port"),
            path=document.get("path", default.path),
            host=document.get("host"),
            expect=expect,
            insecure=document.get("insecure", default.insecure),
            name=document.get("name", default.name),
            every=every,
            timeout=timeout,
            fall=document.get("fall", default.fall),
            rise=document.get("rise", default.rise),
        )

    def service(self, document: ServiceDocument, path: Path) -> ir.Service:
        vips, spans = self.addresses(document.get("vips", ()), (*path, "vips"), "vip")
        external_ips, more = self.addresses(document.get("external-ips", ()), (*path, "external-ips"), "external-ip")
        snat, sources = self.addresses(document.get("snat", ()), (*path, "snat"), "snat")
        own = (*vips, *external_ips)
        for key, statement in _STATEMENTS.items():
            span = self.span(*path, key)
            if span is not None:
                spans[statement] = span
        ports = (self.port(port, (*path, "ports", i)) for i, port in enumerate(document["ports"]))
        endpoints = (self.endpoint(e, (*path, "endpoints", i)) for i, e in enumerate(document["endpoints"]))

        self._says_what_for(document, path)

        networks = document.get("affinity-networks", (32, 128))
        return ir.Service(
            name=document["name"],
            vips=vips,
            external_ips=external_ips,
            shared=self.own(document.get("shared", ()), (*path, "shared"), "shared", own),
            announce=document.get("announce", False),
            elsewhere=self.own(document.get("elsewhere", ()), (*path, "elsewhere"), "elsewhere", own),
            allow_from=self.networks(document.get("allow-from", ()), (*path, "allow-from")),
            ports=tuple(port for port in ports if port is not None),
            endpoints=tuple(e for e in endpoints if e is not None),
            scheduler=ir.Scheduler(document["scheduler"]) if "scheduler" in document else None,
            scheduler_by=ir.HashBy(document.get("scheduler-by", ir.HashBy.ADDRESS)),
            affinity=document.get("affinity"),
            affinity_per_service=document.get("affinity-per-service", False),
            affinity_networks=(networks[0], networks[1]),
            external_traffic=ir.Traffic(document.get("external-traffic", ir.Traffic.CLUSTER)),
            internal_traffic=ir.Traffic(document.get("internal-traffic", ir.Traffic.CLUSTER)),
            masquerade=ir.Masquerade(document.get("masquerade", ir.Masquerade.AUTO)),
            masquerade_from=self.networks(document.get("masquerade-from", ()), (*path, "masquerade-from")),
            snat=snat,
            forward=ir.Forward(document.get("forward", ir.Forward.MASQUERADE)),
            when_empty=ir.WhenEmpty(document.get("when-empty", ir.WhenEmpty.REJECT)),
            check=self.check(document["check"], (*path, "check"), spans) if "check" in document else None,
            when_failed=ir.WhenFailed(document.get("when-failed", ir.WhenFailed.OPEN)),
            one_packet=document.get("one-packet", False),
            registered=self.registered(document.get("registered", ()), (*path, "registered")),
            span=self.span(*path, "name"),
            spans=spans | more | sources,
        )

    def _says_what_for(self, document: ServiceDocument, path: Path) -> None:
        """Check that settings which refine another setting have that one beside them."""
        if document.get("affinity-per-service", False) and "affinity" not in document:
            message = "affinity-per-service has no effect without affinity"
            self.error(Code.IR_INVALID, message, self.span(*path, "affinity-per-service"), "give it an affinity")
        if document.get("masquerade-from") and document.get("masquerade", "auto") != "auto":
            message = "masquerade-from says whose source is rewritten, and so does masquerade"
            self.error(Code.IR_INVALID, message, self.span(*path, "masquerade-from"), "say one of them")


#: Members of a check that only some kinds have.
_OF_SOME = frozenset().union(*OPTIONS.values())
#: Keys of a service in JSON, and the statements of the language that they stand for.
_STATEMENTS = {
    "vips": "vip",
    "external-ips": "external-ip",
    "shared": "shared",
    "announce": "announce",
    "allow-from": "allow-from",
    "endpoints": "endpoints",
    "scheduler": "scheduler",
    "scheduler-by": "scheduler by",
    "affinity": "affinity",
    "affinity-per-service": "affinity per service",
    "external-traffic": "traffic external",
    "internal-traffic": "traffic internal",
    "masquerade": "masquerade",
    "masquerade-from": "masquerade",
    "snat": "snat",
    "forward": "forward",
    "when-empty": "when-empty",
    "check": "check",
    "when-failed": "when-failed",
    "one-packet": "one-packet",
    "registered": "registered",
}

"""Which features of the language a program uses: each use of a language feature, with its place in the source.

Targets declare the features that they can express (:class:`svcc.targets.interface.Target`); svcc refuses every other
use, with the place from here. It drops nothing silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter

from svcc.compiler import ir
from svcc.compiler.source import Span


class Feature(Enum):
    """A statement, or a value of one, that a target may be unable to express. The value is how users write it."""

    VIP = "vip"
    EXTERNAL_IP = "external-ip"
    SHARED = "external-ip … shared"
    ANNOUNCE = "announce yes"
    SERVICES = "services"
    NODE_PORT = "nodeport"
    NODE_PORT_ADDRESSES = "nodeport-addresses"
    ALLOW_FROM = "allow-from"
    SCTP = "port N/sctp"
    PORT_RANGE = "port N-M/…"
    PORT_RANGE_SHIFT = "port N-M/… -> OTHER"
    WEIGHT = "weight"
    ENDPOINT_PORT = "[ADDRESS]:PORT"
    BACKUP = "backup"
    MAX_CONNECTIONS = "max-connections"
    AFFINITY = "affinity client-ip"
    AFFINITY_PER_SERVICE = "affinity client-ip … per service"
    AFFINITY_NETWORKS = "affinity client-ip/24"
    EXTERNAL_LOCAL = "traffic external local"
    INTERNAL_LOCAL = "traffic internal local"
    EXTERNAL_PREFER_LOCAL = "traffic external prefer-local"
    INTERNAL_PREFER_LOCAL = "traffic internal prefer-local"
    EXTERNAL_PREFER_ZONE = "traffic external prefer-zone"
    INTERNAL_PREFER_ZONE = "traffic internal prefer-zone"
    MASQUERADE_ALWAYS = "masquerade always"
    MASQUERADE_NEVER = "masquerade never"
    MASQUERADE_NETWORK = "masquerade NETWORK…"
    SNAT = "snat ADDRESS…"
    FORWARD_DIRECT = "forward direct"
    FORWARD_TUNNEL = "forward tunnel"
    WHEN_EMPTY_DROP = "when-empty drop"
    WHEN_EMPTY_DRAINING = "when-empty draining"
    ONE_PACKET = "one-packet yes"
    SCHEDULER_RANDOM = "scheduler random"
    SCHEDULER_RR = "scheduler rr"
    SCHEDULER_WRR = "scheduler wrr"
    SCHEDULER_SH = "scheduler sh"
    SCHEDULER_SH_BY_PORT = "scheduler sh by address-port"
    SCHEDULER_DH = "scheduler dh"
    SCHEDULER_LC = "scheduler lc"
    SCHEDULER_WLC = "scheduler wlc"
    SCHEDULER_LBLC = "scheduler lblc"
    SCHEDULER_LBLCR = "scheduler lblcr"
    SCHEDULER_SED = "scheduler sed"
    SCHEDULER_NQ = "scheduler nq"
    SCHEDULER_FO = "scheduler fo"
    SCHEDULER_OVF = "scheduler ovf"
    SCHEDULER_MH = "scheduler mh"
    SCHEDULER_MH_BY_PORT = "scheduler mh by address-port"
    SCHEDULER_TWOS = "scheduler twos"


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a feature. ``service`` is None for the cluster's own statements."""

    feature: Feature
    service: ir.Service | None
    span: Span | None


def uses(program: ir.Program) -> Iterator[Use]:
    """Return every feature that the program uses, in the program's order."""
    if program.cluster.services:
        yield Use(Feature.SERVICES, None, program.cluster.spans.get("services"))
    if program.cluster.nodeport_addresses:
        yield Use(Feature.NODE_PORT_ADDRESSES, None, program.cluster.spans.get("nodeport-addresses"))
    for service in program.services:
        yield from _service_uses(service)
        for port in service.ports:
            for feature in _port_features(port):
                yield Use(feature, service, port.span or service.span)
        yield from _endpoint_uses(service)


def _traffics(clients: str) -> dict[object, Feature]:
    others = (traffic for traffic in ir.Traffic if traffic is not ir.Traffic.CLUSTER)
    return {traffic: Feature(f"traffic {clients} {traffic}") for traffic in others}


#: The settings of a service: the statement, the attribute of the IR, and the feature for each of its values.
_SETTINGS: tuple[tuple[str, str, dict[object, Feature]], ...] = (
    *((f"traffic {clients}", f"{clients}_traffic", _traffics(clients)) for clients in ("external", "internal")),
    (
        "masquerade",
        "masquerade",
        {ir.Masquerade.ALWAYS: Feature.MASQUERADE_ALWAYS, ir.Masquerade.NEVER: Feature.MASQUERADE_NEVER},
    ),
    (
        "forward",
        "forward",
        {ir.Forward.DIRECT: Feature.FORWARD_DIRECT, ir.Forward.TUNNEL: Feature.FORWARD_TUNNEL},
    ),
    (
        "when-empty",
        "when_empty",
        {ir.WhenEmpty.DROP: Feature.WHEN_EMPTY_DROP, ir.WhenEmpty.DRAINING: Feature.WHEN_EMPTY_DRAINING},
    ),
    ("scheduler", "scheduler", {s: Feature[f"SCHEDULER_{s.name}"] for s in ir.Scheduler}),
)


_BY_PORT: dict[ir.Scheduler | None, Feature] = {
    ir.Scheduler.SH: Feature.SCHEDULER_SH_BY_PORT,
    ir.Scheduler.MH: Feature.SCHEDULER_MH_BY_PORT,
}


def _service_uses(service: ir.Service) -> Iterator[Use]:
    def use(feature: Feature, statement: str) -> Use:
        return Use(feature, service, service.spans.get(statement, service.span))

    if service.vips:
        yield use(Feature.VIP, "vip")
    if service.external_ips:
        yield use(Feature.EXTERNAL_IP, "external-ip")
    if service.shared:
        yield use(Feature.SHARED, "shared")
    if service.announce:
        yield use(Feature.ANNOUNCE, "announce")
    if service.allow_from:
        yield use(Feature.ALLOW_FROM, "allow-from")
    if service.masquerade_from:
        yield use(Feature.MASQUERADE_NETWORK, "masquerade")
    if service.snat:
        yield use(Feature.SNAT, "snat")
    if service.affinity is not None:
        yield use(Feature.AFFINITY, "affinity")
        if service.affinity_per_service:
            yield use(Feature.AFFINITY_PER_SERVICE, "affinity per service")
        if service.affinity_networks != (32, 128):
            yield use(Feature.AFFINITY_NETWORKS, "affinity")
    if service.scheduler_by is ir.HashBy.ADDRESS_PORT and service.scheduler in _BY_PORT:
        yield use(_BY_PORT[service.scheduler], "scheduler by")
    if service.one_packet:
        yield use(Feature.ONE_PACKET, "one-packet")
    for statement, attribute, features in _SETTINGS:
        feature = features.get(getattr(service, attribute))
        if feature is not None:
            yield use(feature, statement)


def _port_features(port: ir.Port) -> Iterator[Feature]:
    if port.nodeport is not None:
        yield Feature.NODE_PORT
    if port.protocol is ir.Protocol.SCTP:
        yield Feature.SCTP
    if len(port.ports) > 1:
        shifted = port.target != port.ports.first or port.nodeport not in (None, port.targets)
        yield Feature.PORT_RANGE_SHIFT if shifted else Feature.PORT_RANGE


#: The options of an endpoint that need a feature, and their values where it has none: nearly all endpoints have none.
_OPTIONS = attrgetter("weight", "port", "backup", "max_connections")
_NO_OPTIONS = {(1, None, False, None)}


def _endpoint_uses(service: ir.Service) -> Iterator[Use]:
    """Return the features that endpoints use. Each is reported once per service, at the first endpoint that has it."""
    if {*map(_OPTIONS, service.endpoints)} <= _NO_OPTIONS:
        return
    shown_by: dict[Feature, Callable[[ir.Endpoint], bool]] = {
        Feature.WEIGHT: lambda endpoint: endpoint.weight not in (0, 1),
        Feature.ENDPOINT_PORT: lambda endpoint: endpoint.port is not None,
        Feature.BACKUP: lambda endpoint: endpoint.backup,
        Feature.MAX_CONNECTIONS: lambda endpoint: endpoint.max_connections is not None,
    }
    for feature, shows in shown_by.items():
        shown = next(filter(shows, service.endpoints), None)
        if shown is not None:
            yield Use(feature, service, shown.span or service.span)

"""Objects of the Kubernetes API, with the members that services need: Service, EndpointSlice and Node.

The functions here read them from JSON's own types, as a file or an API server has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from svcc.compiler import ir
from svcc.compiler.importers.kubernetes.fields import Fields, Malformed, Path, Word, kept
from svcc.compiler.importers.words import network
from svcc.compiler.suggest import shorten

#: Labels that the API's reference defines (kubernetes.io/docs/reference/labels-annotations-taints).
_SERVICE_NAME = "kubernetes.io/service-name"
_PROXY_NAME = "service.kubernetes.io/service-proxy-name"
_HEADLESS = "service.kubernetes.io/headless"
_HOSTNAME = "kubernetes.io/hostname"
_ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")

#: Seconds of ClientIP affinity where the object names none (the reference of ClientIPConfig).
_AFFINITY = 10_800


@lru_cache(maxsize=1_024)
def _kept_texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    return texts


def _full_name(fields: Fields) -> str:
    """Return ``namespace/name``, or just the name of an object without a namespace. Errors: Malformed."""
    metadata = fields.fields("metadata")
    name, namespace = metadata.name("name"), metadata.name("namespace")
    if not name:
        raise Malformed(("metadata", "name"), "is missing")
    return f"{namespace}/{name}" if namespace else name


def object_name(document: Mapping[str, object]) -> str:
    """Return the full name of an object, even where the rest of it is malformed; "" where it has no name."""
    try:
        return _full_name(Fields(document))
    except Malformed:
        return ""


# -- Service ----------------------------------------------------------------------------------------------------------


class ServicePort(NamedTuple):
    """A port of a Service (the reference of ServicePort)."""

    name: str  # "": the only port of its Service
    protocol: str  # TCP, UDP, SCTP
    port: int
    target: int | None  # a number; slices have the numbers of ports given by name
    node_port: int | None
    path: Path


class Ingress(NamedTuple):
    """An address of a load balancer."""

    ip: Word
    hostname: Word
    mode: str  # VIP (or ""): nodes take its packets; Proxy: packets reach a node's port by way of the balancer


@dataclass(frozen=True, slots=True)
class Service:
    """A core/v1 Service."""

    name: str  # namespace/name
    type: str
    cluster_ips: tuple[Word, ...]  # "None" among them: headless
    external_ips: tuple[Word, ...]
    ingress: tuple[Ingress, ...]
    ports: tuple[ServicePort, ...]
    affinity: int | None  # seconds
    external_policy: str
    internal_policy: str
    distribution: Word  # trafficDistribution
    source_ranges: tuple[ir.Network, ...]
    load_balancer_ip: Word
    health_check_port: int | None
    publish_not_ready: bool
    topology_mode: Word  # an annotation: with Auto, the controller shares out endpoints among zones
    proxy: Word | None  # who serves it instead of the node's own proxy
    unknown: tuple[Path, ...]
    created: str = ""  # RFC 3339, in UTC; "" where it is missing

    @property
    def age(self) -> tuple[str, str]:
        """A sort key: the older, the smaller."""
        return _age(self.created, self.name)

    @property
    def headless(self) -> bool:
        """Whether DNS gives clients the endpoints' own addresses, so that nothing is to be balanced."""
        return any(word.text == "None" for word in self.cluster_ips)


def _age(created: str, name: str) -> tuple[str, str]:
    """Return a sort key: the time of creation, in the servers' one form (missing ones come last), then the name."""
    return created or "~", name


#: The members that are read, and those without a meaning for services.
_SPEC = (
    "allocateLoadBalancerNodePorts clusterIP clusterIPs externalIPs externalName externalTrafficPolicy "
    "healthCheckNodePort internalTrafficPolicy ipFamilies ipFamily ipFamilyPolicy loadBalancerClass "
    "loadBalancerIP loadBalancerSourceRanges ports publishNotReadyAddresses selector sessionAffinity "
    "sessionAffinityConfig trafficDistribution type"
)
_PORT = "appProtocol name nodePort port protocol targetPort"
_TOPOLOGY_MODES = ("service.kubernetes.io/topology-mode", "service.kubernetes.io/topology-aware-hints")


def read_service(document: Mapping[str, object]) -> Service:
    """Read a Service. Errors: Malformed."""
    top = Fields(document)
    spec, metadata = top.fields("spec"), top.fields("metadata")
    annotations, labels = metadata.fields("annotations"), metadata.fields("labels")
    single = spec.word("clusterIP")
    ports = list(spec.each("ports"))
    read = tuple(_service_port(port) for port in ports)
    _check_names(read)
    status = top.fields("status").fields("loadBalancer")
    return Service(
        name=_full_name(top),
        type=spec.text("type") or "ClusterIP",
        cluster_ips=spec.words("clusterIPs") or ((single,) if single.text else ()),
        external_ips=spec.words("externalIPs"),
        ingress=tuple(_ingress(ingress) for ingress in status.each("ingress")),
        ports=read,
        affinity=_affinity(spec),
        external_policy=spec.choice("externalTrafficPolicy", "Cluster", "Local"),
        internal_policy=spec.choice("internalTrafficPolicy", "Cluster", "Local"),
        distribution=spec.word("trafficDistribution"),
        source_ranges=tuple(_network(word) for word in spec.words("loadBalancerSourceRanges")),
        load_balancer_ip=spec.word("loadBalancerIP"),
        health_check_port=spec.port("healthCheckNodePort"),
        publish_not_ready=spec.flag("publishNotReadyAddresses") or False,
        topology_mode=next((w for key in _TOPOLOGY_MODES if (w := annotations.word(key)).text), Word("", ())),
        proxy=labels.word(_PROXY_NAME) if _PROXY_NAME in labels.members else None,
        unknown=(*spec.beyond(_SPEC), *(path for port in ports for path in port.beyond(_PORT))),
        created=metadata.text("creationTimestamp"),
    )


def _affinity(spec: Fields) -> int | None:
    if spec.choice("sessionAffinity", "ClientIP", "None") != "ClientIP":
        return None
    config = spec.fields("sessionAffinityConfig").fields("clientIP")
    seconds = config.number("timeoutSeconds")
    if seconds is not None and not 0 < seconds <= 86_400:
        raise Malformed((*config.path, "timeoutSeconds"), f"is {seconds}, and has to be 1 to 86400")
    return _AFFINITY if seconds is None else seconds


def _network(word: Word) -> ir.Network:
    found = network(word.text.strip())
    if found is None:
        raise Malformed(word.path, f"is `{shorten(word.text, 40)}`, and has to be a network")
    return found


def _check_names(ports: Sequence[ServicePort]) -> None:
    names = [port.name for port in ports]
    for i, port in enumerate(ports):
        if len(ports) > 1 and (not port.name or port.name in names[:i]):
            raise Malformed((*port.path, "name"), "has to be another for each of several ports")


def _ingress(fields: Fields) -> Ingress:
    return Ingress(fields.word("ip"), fields.word("hostname"), fields.text("ipMode"))


def _service_port(fields: Fields) -> ServicePort:
    number = fields.port("port")
    if number is None:
        raise Malformed((*fields.path, "port"), "is missing")
    named = isinstance(fields.members.get("targetPort"), str)
    if named and not fields.text("targetPort"):
        raise Malformed((*fields.path, "targetPort"), "is empty")
    return ServicePort(
        name=fields.name("name"),
        protocol=fields.text("protocol") or "TCP",
        port=number,
        target=None if named else fields.port("targetPort"),
        node_port=fields.port("nodePort"),
        path=fields.path,
    )


# -- EndpointSlice ----------------------------------------------------------------------------------------------------


class SlicePort(NamedTuple):
    """A port of an EndpointSlice (the reference of EndpointPort)."""

    name: str
    protocol: str
    port: int | None  # None: every port, or no port in particular
    path: Path


class SliceEndpoint(NamedTuple):
    """An endpoint of an EndpointSlice, and its conditions (the reference of Endpoint)."""

    address: Word
    more_addresses: tuple[Word, ...]  # no proxy uses these
    ready: bool
    serving: bool
    terminating: bool
    node: Word
    path: Path
    zone: str = ""  # the zone that it is in; "" where it is missing
    for_zones: tuple[str, ...] = ()  # the zones whose clients it is meant for; (): there is no hint


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """Some endpoints of a Service: discovery.k8s.io, v1 or v1beta1."""

    name: str  # namespace/name
    service: str  # namespace/name; "": it belongs to no Service
    address_type: str  # IPv4, IPv6, FQDN
    headless: Path | None  # the label that says so
    ports: tuple[SlicePort, ...]
    endpoints: tuple[SliceEndpoint, ...]
    unknown: tuple[Path, ...]


_ENDPOINT = "addresses conditions deprecatedTopology hints hostname nodeName targetRef topology zone"
_SLICE_PORT = "appProtocol name port protocol"
_SLICE = "addressType apiVersion endpoints kind metadata ports"


def read_slice(document: Mapping[str, object]) -> EndpointSlice:
    """Read an EndpointSlice. Errors: Malformed."""
    top = Fields(document)
    metadata = top.fields("metadata")
    labels, namespace = metadata.fields("labels"), metadata.text("namespace")
    service = labels.text(_SERVICE_NAME)
    ports, endpoints = list(top.each("ports")), list(top.each("endpoints"))
    unknown = [*top.beyond(_SLICE)]
    unknown += [path for port in ports for path in port.beyond(_SLICE_PORT)]
    unknown += [path for endpoint in endpoints for path in endpoint.beyond(_ENDPOINT)]
    return EndpointSlice(
        name=_full_name(top),
        service=f"{namespace}/{service}" if service and namespace else service,
        address_type=top.text("addressType"),
        headless=(*labels.path, _HEADLESS) if _HEADLESS in labels.members else None,
        ports=tuple(
            SlicePort(port.name("name"), port.text("protocol") or "TCP", port.port("port"), port.path) for port in ports
        ),
        endpoints=tuple(_endpoint(endpoint) for endpoint in endpoints),
        unknown=tuple(unknown),
    )


def _endpoint(fields: Fields) -> SliceEndpoint:
    """Read an endpoint. A condition that is missing counts as good, as the API's reference asks."""
    addresses = fields.words("addresses")
    if not addresses:
        raise Malformed((*fields.path, "addresses"), "has no address")
    conditions, topology = fields.fields("conditions"), fields.fields("topology")
    node = fields.kept_word("nodeName")
    if not node.text:
        node = topology.kept_word(_HOSTNAME)  # v1beta1 before 1.21
    for_zones = (hint.text("name") for hint in fields.fields("hints").each("forZones"))
    return SliceEndpoint(
        address=addresses[0]._replace(path=kept(addresses[0].path)),
        more_addresses=addresses[1:],
        ready=conditions.flag("ready") is not False,
        serving=conditions.flag("serving") is not False,
        terminating=conditions.flag("terminating") is True,
        node=node,
        path=kept(fields.path),
        zone=fields.kept_word("zone").text
        or next((z for label in _ZONES if (z := topology.kept_word(label).text)), ""),
        for_zones=_kept_texts(tuple(for_zones)),
    )


# -- Node -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    """A core/v1 Node."""

    name: str
    internal_ips: tuple[Word, ...]
    external_ips: tuple[Word, ...]
    zone: str  # "": it has none
    pod_networks: tuple[Word, ...] = ()
    created: str = ""  # as in a Service

    @property
    def age(self) -> tuple[str, str]:
        """A sort key: the older, the smaller."""
        return _age(self.created, self.name)


def read_node(document: Mapping[str, object]) -> Node:
    """Read a Node. Errors: Malformed."""
    top = Fields(document)
    metadata = top.fields("metadata")
    labels = metadata.fields("labels")
    by_type: dict[str, list[Word]] = {}
    for address in top.fields("status").each("addresses"):
        by_type.setdefault(address.text("type"), []).append(address.word("address"))
    spec = top.fields("spec")
    return Node(
        pod_networks=spec.words("podCIDRs") or tuple(filter(lambda word: word.text, (spec.word("podCIDR"),))),
        name=_full_name(top),
        internal_ips=tuple(by_type.get("InternalIP", ())),
        external_ips=tuple(by_type.get("ExternalIP", ())),
        zone=next((zone for label in _ZONES if (zone := labels.name(label))), ""),
        created=metadata.text("creationTimestamp"),
    )

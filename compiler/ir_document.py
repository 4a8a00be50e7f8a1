"""The types of the IR's JSON. They follow ``ir.schema.json``: a test compares the two.

The schema says what each member means and which values it may have; here are the types of members that passed the
schema. A member that may be missing is ``NotRequired``, or in a type with ``total=False``. Names with hyphens are in
types of their own, because no class can declare them. This module does not postpone its annotations, because Python
does not find ``NotRequired`` in annotations that are texts.
"""

from typing import NotRequired, TypedDict

_ClusterHyphens = TypedDict(
    "_ClusterHyphens",
    {
        "nodeport-addresses": list[str],
        "vip-device": str,
    },
    total=False,
)


class ClusterDocument(_ClusterHyphens, total=False):
    """Prefix, networks and names that all services share."""

    prefix: str
    pods: list[str]
    services: list[str]
    nodeports: int | str
    mark: int


class NodeDocument(TypedDict):
    """A node."""

    name: str
    addresses: list[str]
    zone: NotRequired[str]
    instance: NotRequired[str]


class ListenerDocument(TypedDict):
    """A listener of a balancer."""

    port: int
    protocol: str
    status: NotRequired[int]
    body: NotRequired[str]


class RouteDocument(TypedDict):
    """A route of a balancer: what it sends to a service."""

    service: str
    port: NotRequired[str]
    paths: NotRequired[list[str]]
    listener: NotRequired[int]


class BalancerDocument(TypedDict):
    """A cloud's load balancer."""

    name: str
    kind: NotRequired[str]
    scheme: NotRequired[str]
    network: str
    subnets: NotRequired[list[str]]
    security: NotRequired[list[str]]
    listeners: list[ListenerDocument]
    routes: list[RouteDocument]


class PortDocument(TypedDict):
    """A port of a service. A range is a text, as "5000-5099"; a single port is a number."""

    name: NotRequired[str]
    protocol: str
    ports: int | str
    target: NotRequired[int]
    nodeport: NotRequired[int | str]


_EndpointHyphens = TypedDict(
    "_EndpointHyphens",
    {
        "max-connections": int,
    },
    total=False,
)


class EndpointDocument(_EndpointHyphens):
    """An endpoint of a service."""

    address: str
    port: NotRequired[int]
    weight: NotRequired[int]
    node: NotRequired[str]
    backup: NotRequired[bool]


class RegisteredDocument(TypedDict):
    """A pool whose members register themselves."""

    pool: str
    networks: list[str]


class CheckDocument(TypedDict):
    """How an endpoint is asked whether it serves. Times are in seconds."""

    kind: str
    port: NotRequired[int]
    path: NotRequired[str]
    host: NotRequired[str]
    expect: NotRequired[int | str]
    insecure: NotRequired[bool]
    name: NotRequired[str]
    every: NotRequired[float]
    timeout: NotRequired[float]
    fall: NotRequired[int]
    rise: NotRequired[int]


_ServiceHyphens = TypedDict(
    "_ServiceHyphens",
    {
        "external-ips": list[str],
        "allow-from": list[str],
        "scheduler-by": str,
        "affinity-per-service": bool,
        "affinity-networks": list[int],
        "external-traffic": str,
        "internal-traffic": str,
        "masquerade-from": list[str],
        "when-empty": str,
        "when-failed": str,
        "one-packet": bool,
    },
    total=False,
)


class ServiceDocument(_ServiceHyphens):
    """Addresses and ports, and the endpoints behind them."""

    name: str
    vips: NotRequired[list[str]]
    shared: NotRequired[list[str]]
    announce: NotRequired[bool]
    elsewhere: NotRequired[list[str]]
    ports: list[PortDocument]
    endpoints: list[EndpointDocument]
    scheduler: NotRequired[str]
    affinity: NotRequired[int]
    masquerade: NotRequired[str]
    snat: NotRequired[list[str]]
    forward: NotRequired[str]
    check: NotRequired[CheckDocument]
    registered: NotRequired[list[RegisteredDocument]]


class ProgramDocument(TypedDict):
    """A whole program."""

    svcc: int
    cluster: NotRequired[ClusterDocument]
    nodes: NotRequired[list[NodeDocument]]
    services: list[ServiceDocument]
    balancers: NotRequired[list[BalancerDocument]]

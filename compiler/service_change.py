"""One change of what is served, in the words of the language."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class What(StrEnum):
    """The kind of a change; the value is its name in JSON."""

    SERVICE_ADDED = "service added"
    SERVICE_REMOVED = "service removed"
    SERVICE_RENAMED = "service renamed"
    FRONTENDS_TAKEN = "frontends taken over"
    ADDRESS_ADDED = "address added"
    ADDRESS_REMOVED = "address removed"
    ADDRESS_CHANGED = "address changed"
    PORT_ADDED = "port added"
    PORT_REMOVED = "port removed"
    PORT_RENAMED = "port renamed"
    PORT_NUMBER = "port number"
    PORT_TARGET = "port target"
    NODE_PORT = "node port"
    ENDPOINT_ADDED = "endpoint added"
    ENDPOINT_REMOVED = "endpoint removed"
    ENDPOINT_MOVED = "endpoint moved"
    ENDPOINT_DRAINED = "endpoint drained"
    ENDPOINT_RESUMED = "endpoint resumed"
    ENDPOINT_WEIGHT = "endpoint weight"
    ENDPOINT_PORT = "endpoint port"
    ENDPOINT_NODE = "endpoint node"
    ENDPOINT_BACKUP = "endpoint backup"
    ENDPOINT_LIMIT = "endpoint limit"
    ORDER = "order"
    SETTING = "setting"
    CLUSTER = "cluster"
    NODE_ADDED = "node added"
    NODE_REMOVED = "node removed"
    NODE_CHANGED = "node changed"
    BALANCER_ADDED = "balancer added"
    BALANCER_REMOVED = "balancer removed"
    BALANCER_CHANGED = "balancer changed"


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """One change of a service. ``before`` and ``after`` are written as in the language; "" where there is nothing."""

    what: What
    subject: str = ""  # what changes: an address, an endpoint, a port's name, a statement
    before: str = ""
    after: str = ""
    endpoints: int = 0  # how many a service that comes or goes has
    frontends: tuple[str, ...] = ()  # those of a service that comes or goes; or those that are taken over

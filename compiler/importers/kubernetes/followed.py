"""Keeps a program up to date with the objects of a cluster. A change costs time in proportion to what it changes.

The program depends on the objects alone, not on the order in which they came. A Service is mapped anew when it, one of
its slices, or a node of its endpoints changes; :mod:`svcc.compiler.importers.kubernetes.serving` decides which of
several clashing Services is served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import NamedTuple

from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.differing import with_services
from svcc.compiler.importers.kubernetes.fields import Malformed
from svcc.compiler.importers.kubernetes.kept import KnownObjects
from svcc.compiler.importers.kubernetes.mapping import Mapped, services_of
from svcc.compiler.importers.kubernetes.nodes import nodes_of
from svcc.compiler.importers.kubernetes.objects import (
    EndpointSlice,
    Node,
    Service,
    object_name,
    read_node,
    read_service,
    read_slice,
)
from svcc.compiler.importers.kubernetes.pods import Pods
from svcc.compiler.importers.kubernetes.remarks import At, Place, Remark, Remarks, nowhere
from svcc.compiler.importers.kubernetes.serving import Candidate, Serving, Surroundings
from svcc.compiler.importers.node_ports import unusual_ports, widened
from svcc.compiler.importers.sound import Findings
from svcc.compiler.values import MAX_PORT


class Kind(StrEnum):
    """The kinds of objects that are followed."""

    SERVICE = "Service"
    ENDPOINT_SLICE = "EndpointSlice"
    NODE = "Node"


class Reading(NamedTuple):
    """An object as it was read, without the parts of its JSON that svcc does not use."""

    name: str  # the full name
    found: Service | EndpointSlice | Node | None  # None: it does not follow the API's reference
    fault: Malformed | None = None  # what is wrong with it


class Event(NamedTuple):
    """An object that is new or changed, or the last known state of an object that was deleted."""

    kind: Kind
    object: Mapping[str, object] | Reading  # as the API answers it, in JSON's own types; or as it was read before
    deleted: bool = False


class Changed(NamedTuple):
    """The difference between two programs, and the remarks that came with it."""

    services: dict[str, ir.Service | None]  # by name; None: the service is gone
    # nodes, or what all services share, changed as well, so that ``services`` alone does not make the new program
    others: bool
    remarks: tuple[Remark, ...]  # those that are new

    def __bool__(self) -> bool:
        return bool(self.services) or self.others


_READERS: dict[Kind, Callable[[Mapping[str, object]], Service | EndpointSlice | Node]] = {
    Kind.SERVICE: read_service,
    Kind.ENDPOINT_SLICE: read_slice,
    Kind.NODE: read_node,
}
_TYPES: dict[Kind, type[Service | EndpointSlice | Node]] = {
    Kind.SERVICE: Service,
    Kind.ENDPOINT_SLICE: EndpointSlice,
    Kind.NODE: Node,
}


def reading(kind: Kind, found: Mapping[str, object]) -> Reading:
    """Return what :class:`Followed` keeps of an object, for callers that gather many before they hand them over."""
    name = object_name(found)
    try:
        return Reading(name, _READERS[kind](found))
    except Malformed as error:
        return Reading(name, None, error.with_traceback(None))


#: The node ports that services may have before the cluster's range is known, which follows from all of them.
_ANY_PORT = ir.PortRange(1, MAX_PORT)


class Followed:
    """The program that the objects of a cluster make together.

    ``findings`` says what is wrong with a program; what one of its errors points at is not served. ``proxy`` is the
    value of the label ``service.kubernetes.io/service-proxy-name`` of the Services that svcc serves; None: those
    without the label.
    """

    def __init__(
        self,
        findings: Findings = check,
        *,
        proxy: str | None = None,
        at: At = nowhere,
    ) -> None:
        self._findings = findings
        self._proxy = proxy
        self._at = at
        self._kept = KnownObjects()
        self._pods = Pods()
        self._nodes: dict[str, ir.Node] = {}
        self._cluster = ir.Cluster()
        self._serving = Serving(findings, at, lambda name, at: self._map(name, at).services)
        self._serving.surroundings = Surroundings(replace(self._cluster, nodeports=_ANY_PORT))
        self._unusual_ports = Counter[ir.PortRange]()  # of all services
        self._remarks = Remarks()
        self._program = ir.Program(self._cluster)
        self._health_checks: dict[str, int] = {}

    # -- objects ------------------------------------------------------------------------------------------------------

    def take(self, events: Iterable[Event]) -> Changed:
        """Take objects that came, changed, or went, in this order.

        An object that does not follow the API's reference counts as gone.
        """
        for event in events:
            self._take(event)
        return self._bring_up_to_date()

    def replace(self, kind: Kind, objects: Iterable[Mapping[str, object]]) -> Changed:
        """Take these as all objects of a kind, as a list of the API has them."""
        there = {self._take(Event(kind, some)) for some in objects}
        for name in self._kept.names(_TYPES[kind]) - there:
            self._kept.drop(_TYPES[kind], name)
        self._remarks.keep(kind, there)
        return self._bring_up_to_date()

    def put(self, objects: Iterable[Service | EndpointSlice | Node]) -> Changed:
        """Take objects that came or changed and were read already."""
        for some in objects:
            self._kept.put(some)
        return self._bring_up_to_date()

    def _take(self, event: Event) -> str:
        """Take one event, and return the name of its object."""
        if isinstance(event.object, Reading):
            name, found, fault = event.object
        elif event.deleted:
            name, found, fault = object_name(event.object), None, None
        else:
            name, found, fault = reading(event.kind, event.object)
        found, subject = None if event.deleted else found, f"{event.kind} {name}"
        if fault is not None and not event.deleted:
            self._remarks.say(subject, (Remark(Place(subject, fault.path), str(fault)),))
        if found is None:
            self._kept.drop(_TYPES[event.kind], name)
        else:
            self._kept.put(found)
        if found is not None or event.deleted:
            self._remarks.say(subject, ())
        return name

    # -- the program --------------------------------------------------------------------------------------------------

    @property
    def program(self) -> ir.Program:
        """The whole program.

        It is the same object as long as nothing changes, and its unchanged services stay the same objects.
        """
        return self._program

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What the program does not say about the objects."""
        return self._remarks.all()

    def served_as(self, service: str) -> tuple[ir.Service, ...]:
        """Return the services that a Service, ``namespace/name``, became."""
        return self._serving.of(service)

    @property
    def health_checks(self) -> Mapping[str, int]:
        """The node ports at which load balancers ask whether this machine has endpoints, by the Service's name
        (``healthCheckNodePort`` of those with ``externalTrafficPolicy: Local``)."""
        return self._health_checks

    # -- what changes -------------------------------------------------------------------------------------------------

    def _bring_up_to_date(self) -> Changed:
        """Bring the program up to date with the objects."""
        nodes, cluster = self._nodes, self._cluster
        touched, hosts = self._kept.take_touched()
        again: set[str] = set()
        if self._kept.take_nodes_touched():
            touched |= self._renew_nodes(again)
            hosts |= self._kept.all_hosts()
        mapped = {name: self._map(name, self._at) for name in sorted(touched)}
        self._renew_pods(mapped, again)
        candidates = {name: self._candidate(name, one.services) for name, one in mapped.items()}
        before = self._serving.update(candidates, again)
        differing = self._difference(before)
        self._cluster = replace(self._serving.surroundings.cluster, nodeports=widened(self._unusual_ports))
        for name, one in mapped.items():
            self._remarks.say(f"of {name}", one.remarks)
        for name in before:
            self._remarks.say(f"clashes of {name}", self._serving.remarks(name))
        for host in hosts | self._kept.hosts(touched):
            self._remarks.say(f"host {host}", tuple(self._absent(host)))
        self._renew_health_checks(before)
        others = nodes != self._nodes or cluster != self._cluster
        self._renew_program(differing, others=others)
        return Changed(differing, others, self._remarks.news())

    def _renew_program(self, services: Mapping[str, ir.Service | None], *, others: bool) -> None:
        self._program = with_services(self._program, services)
        if others:
            nodes = tuple(node for _, node in sorted(self._nodes.items()))
            self._program = replace(self._program, cluster=self._cluster, nodes=nodes)

    def _renew_health_checks(self, names: Iterable[str]) -> None:
        """Renew the health check ports of Services that were looked at."""
        for name in names:
            service = self._kept.services.get(name)
            port = None if service is None or service.external_policy != "Local" else service.health_check_port
            if port is not None and self.served_as(name):
                self._health_checks[name] = port
            else:
                self._health_checks.pop(name, None)

    def _map(self, name: str, at: At) -> Mapped:
        """Return what a Service becomes, regardless of all other Services."""
        service, slices = self._kept.services.get(name), self._kept.of(name)
        if service is None:
            return Mapped((), tuple(_of_nobody(some) for some in slices))
        return services_of(service, slices, self._nodes, at, self._proxy)

    def _candidate(self, name: str, services: tuple[ir.Service, ...]) -> Candidate | None:
        return Candidate(self._kept.services[name].age, services) if services else None

    def _difference(self, before: Mapping[str, Sequence[ir.Service]]) -> dict[str, ir.Service | None]:
        """Return the services that changed, by name; None for those that are gone.

        ``before``: the services that each Service had.
        """
        found: dict[str, ir.Service | None] = {}
        for name, were in before.items():
            there, are = {one.name: one for one in were}, {one.name: one for one in self._serving.of(name)}
            found |= {one: are.get(one) for one in {**there, **are} if there.get(one) != are.get(one)}
            self._unusual_ports.subtract(unusual_ports(there.values()))
            self._unusual_ports.update(unusual_ports(are.values()))
        self._unusual_ports = +self._unusual_ports  # drops the counts of 0
        return found

    def _absent(self, host: str) -> Iterator[Remark]:
        """Remark, at the first endpoint, that endpoints are on a node that is not among the objects."""
        if not host or host in self._nodes:
            return
        slices = [some for some in self._kept.on(host) if self._serving.candidate(some.service)]
        if slices:
            first = min(slices, key=lambda some: some.name)
            path = next(endpoint.node.path for endpoint in first.endpoints if endpoint.node.text == host)
            reason = f"no Node {host} is among the objects, so nothing is said to be on it"
            yield Remark(Place(f"EndpointSlice {first.name}", path), reason)

    # -- nodes --------------------------------------------------------------------------------------------------------

    def _renew_nodes(self, again: set[str]) -> set[str]:
        """Map the nodes anew. Return the Services that have endpoints on nodes that came or went, and add to ``again``
        those that use an address which now belongs to another node.
        """
        nodes = self._kept.nodes
        renewed = nodes_of(nodes.values(), self._findings, self._at)
        self._remarks.say("nodes", renewed.remarks)
        before, after = _by_address(self._nodes.values()), _by_address(renewed.nodes)
        again |= self._serving.names({address for address, _ in before.items() ^ after.items()})
        hosts = self._nodes.keys() ^ {node.name for node in renewed.nodes}
        self._nodes = {node.name: node for node in renewed.nodes}
        self._serving.surroundings.nodes = after
        if self._pods.take_nodes(node for _, node in sorted(nodes.items())):
            for name in self._kept.services:
                self._pods.take_service(name, self._serving.candidate(name))
        return {some.service for host in hosts for some in self._kept.on(host)}

    def _renew_pods(self, mapped: Mapping[str, Mapped], again: set[str]) -> None:
        """Find out which networks are pods', and add to ``again`` the Services with endpoints at the edges of networks
        that changed, where no pod can be.
        """
        for name, one in mapped.items():
            self._pods.take_service(name, one.services)
        self._remarks.say("pods", self._pods.remarks)
        cluster = self._serving.surroundings.cluster
        if cluster.pods != self._pods.networks:
            edges = {edge for network in {*cluster.pods} ^ {*self._pods.networks} for edge in (network[0], network[-1])}
            again |= self._serving.names(edges)
            self._serving.surroundings.cluster = replace(cluster, pods=self._pods.networks)


def _by_address(nodes: Iterable[ir.Node]) -> dict[ir.Address, ir.Node]:
    return {address: node for node in nodes for address in node.addresses}


def _of_nobody(some: EndpointSlice) -> Remark:
    place = Place(f"EndpointSlice {some.name}")
    if some.service:
        return Remark(place, f"no Service {some.service} is among the objects")
    return Remark(place, "it has no label kubernetes.io/service-name, so it is no Service's")

"""Programs from a Kubernetes API: what a cluster's Services, EndpointSlices and Nodes are at this moment.

News of the API is kept until it is read, only the latest of each object. No program is given before each kind of object
was listed once: an object that the cluster has not named yet is not deleted. Where the server cannot be reached,
nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

from svcc.agent.log import Log
from svcc.agent.own_addresses import OwnAddresses
from svcc.agent.source import HealthPort, ProgramSource
from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.diagnostic import Diagnostic, has_errors
from svcc.compiler.importers.kubernetes.fields import written
from svcc.compiler.importers.kubernetes.followed import Event, Followed, Kind, Reading, reading
from svcc.compiler.importers.kubernetes.remarks import Remark
from svcc.compiler.importers.sound import Findings
from svcc.kubernetes_api.access import Access
from svcc.kubernetes_api.answers import Key, Object
from svcc.kubernetes_api.following import Changed, Deleted, Found, Lost, News, Whole, following
from svcc.kubernetes_api.http import Client, Times
from svcc.kubernetes_api.resources import ENDPOINT_SLICES, NODES, SERVICES, Resource
from svcc.targets.capability import check_target
from svcc.targets.interface import Target

#: The kinds of objects that are followed. Each kind helps to understand the next one, so they are read in this order.
_KINDS = {NODES: Kind.NODE, SERVICES: Kind.SERVICE, ENDPOINT_SLICES: Kind.ENDPOINT_SLICE}

#: The field that the program leaves out, and the agent serves itself (`svcc.agent.health_ports`).
_ANSWERED = ("spec", "healthCheckNodePort")


@dataclass(slots=True)
class _Heard:
    """The news of a kind of objects that was not read yet: all objects, if they were listed, and what changed since."""

    whole: dict[Key, Reading] | None = None
    since: dict[Key, Reading | None] = field(default_factory=dict)  # None for a deleted object

    def add(self, news: Whole[Reading] | Changed[Reading] | Deleted) -> None:
        match news:
            case Whole(objects):
                self.whole, self.since = {**objects}, {}
            case Changed(key, found):
                self.since[key] = found
            case Deleted(key):
                self.since[key] = None

    def events(self, kind: Kind, known: set[Key]) -> Iterator[Event]:
        """Yield the events that lead from the known objects to the present ones. ``known`` is kept up to date."""
        changed = self.since
        if self.whole is not None:
            changed = {**dict.fromkeys(known), **self.whole, **self.since}
        for key, found in changed.items():
            if found is not None:
                known.add(key)
                yield Event(kind, found)
            elif key in known:
                known.remove(key)
                yield Event(kind, {"metadata": {"name": key.name, "namespace": key.namespace}}, deleted=True)


class ClusterSource(ProgramSource):
    """The program of a cluster, with a prefix of the agent's."""

    kind = "cluster"

    def __init__(
        self,
        access: Access,
        node: str,
        log: Log,
        *,
        findings: Findings = check,
        prefix: str = "SVCC",
        times: Times | None = None,
        own: OwnAddresses | None = None,
    ) -> None:
        """``node``: the cluster's name for this machine; ``findings``: finds what is wrong with a program here, see
        :func:`findings_on`; ``own``: the addresses that this machine holds itself.

        Errors: BadConfig where certificates or keys cannot be used."""
        self._server = access.server
        self._client = Client(access, times=times, name="svcc")
        self._node = node
        self._log = log
        self._prefix = prefix
        self._followed = Followed(findings)
        self._own = own or OwnAddresses(prefix, log)
        self._known: dict[Resource, set[Key]] = {resource: set() for resource in _KINDS}
        self._lock = Lock()  # the loop writes `_heard`, and a thread reads it
        self._heard: dict[Resource, _Heard] = {}
        self._missing = {*_KINDS}  # the kinds that were not listed yet
        self._lost: dict[Resource, str] = {}
        self._program: ir.Program | None = None
        self._health_ports: Mapping[int, HealthPort] = {}
        self._counted: dict[str, tuple[tuple[ir.Service, ...], HealthPort]] = {}  # by Service, with what was counted

    @property
    def name(self) -> str:
        return self._server

    @property
    def fault(self) -> str:
        """Which kinds of objects cannot be followed now, and why; "" where all are followed."""
        return "; ".join(dict.fromkeys(self._lost.values()))

    @property
    def health_ports(self) -> Mapping[int, HealthPort]:
        return self._health_ports

    async def follow(self, changed: Callable[[], None]) -> None:
        readers: dict[Resource, Callable[[Object], Reading]] = {
            resource: partial(reading, kind) for resource, kind in _KINDS.items()
        }
        async with self._client, following(self._client, readers) as news:
            async for resource, one in news:
                self._hear(resource, one)
                if not isinstance(one, (Lost, Found)) and not self._missing:
                    changed()

    def _hear(self, resource: Resource, news: News[Reading]) -> None:
        if isinstance(news, Lost):
            self._lose(resource, str(news.error))
            return
        if self._lost.pop(resource, None):
            self._log.info("the cluster is followed again", server=self.name, of=resource.plural)
        if not isinstance(news, Found):
            with self._lock:
                self._heard.setdefault(resource, _Heard()).add(news)
                self._missing.discard(resource)

    def _lose(self, resource: Resource, reason: str) -> None:
        """Note that a kind of objects cannot be followed. The same reason is logged once, however often it comes."""
        if self._lost.get(resource) != reason:
            self._lost[resource] = reason
            words = "the cluster cannot be followed; the rules stay as they are"
            self._log.warning(words, server=self.name, reason=reason)

    def read(self) -> ir.Program | None:
        with self._lock:
            if self._missing:
                return None
            heard, self._heard = self._heard, {}
        if heard:
            changed = self._followed.take(
                event
                for resource, kind in _KINDS.items()
                if resource in heard
                for event in heard[resource].events(kind, self._known[resource])
            )
            for remark in changed.remarks:
                if remark.place.path != _ANSWERED:
                    self._tell(remark)
            if changed or self._program is None:
                program = self._followed.program
                self._program = replace(program, cluster=replace(program.cluster, prefix=self._prefix))
            ports = sorted(self._followed.health_checks.items())
            self._health_ports = {port: self._health(name) for name, port in ports}
        return None if self._program is None else self._own.without(self._program)

    def changed(self) -> bool:
        return self._own.moved()

    def _health(self, name: str) -> HealthPort:
        served = self._followed.served_as(name)
        known = self._counted.get(name)
        if known is None or known[0] is not served:
            namespace, _, short = name.partition("/")
            ends = (end for one in served for end in one.endpoints)
            here = {end.address for end in ends if end.node == self._node and end.weight}
            known = self._counted[name] = served, HealthPort(namespace, short, len(here))
        return known[1]

    def _tell(self, remark: Remark) -> None:
        say = self._log.info if remark.usual else self._log.warning
        place = remark.place
        where = {"field": written(place.path)} if place.path else {}
        say("not served as the cluster has it", object=place.object, **where, reason=remark.reason)


def findings_on(target: Target, node: str) -> Findings:
    """Return a function that finds what is wrong with a program for a target on a machine, whatever else the machine
    has."""
    here = ir.Node(node, ())

    def found(program: ir.Program) -> list[Diagnostic]:
        said = [*check(program)]
        return said if has_errors(said) else check_target(program, target, here)

    return found

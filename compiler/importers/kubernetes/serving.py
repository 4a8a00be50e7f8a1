"""Decides which Services are served where some clash or break a rule of svcc: the oldest, in whatever order they were
seen.

Services are checked by age, each together with the older ones that are served. Where an error points at one, it loses
what is at fault: an address, a port, an endpoint, or all of it. So the result depends on the objects alone, and a
changed Service is checked only with those few that it may clash with.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from itertools import islice, takewhile
from typing import NamedTuple, TypeAlias

from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic, Severity
from svcc.compiler.importers.kubernetes.remarks import At, Numbers, Place, Remark
from svcc.compiler.importers.sound import Findings, service_without
from svcc.compiler.source import Span

#: A sort key: when a Service was created, and its name.
Age: TypeAlias = tuple[str, str]
#: What two services may clash over: an address, the port of an address, an endpoint's address, or a node port.
_Thing: TypeAlias = tuple[str | int, ...]


class Candidate(NamedTuple):
    """What a Service becomes before other Services are considered."""

    age: Age
    services: tuple[ir.Service, ...]


@dataclass(slots=True)
class _Kept:
    """A candidate, and the part of it that is served."""

    candidate: Candidate
    things: frozenset[_Thing]
    serving: tuple[ir.Service, ...] = ()
    taken: frozenset[_Thing] = frozenset()  # the things that the served part uses
    remarks: tuple[Remark, ...] = ()


@dataclass(slots=True)
class Surroundings:
    """What services are checked together with: the cluster's settings and the nodes."""

    cluster: ir.Cluster = field(default_factory=ir.Cluster)
    nodes: dict[ir.Address, ir.Node] = field(default_factory=dict)  # by address


class Serving:
    """The services that are served, by the Service that they come from.

    ``again`` maps the Service of a name once more, with other places.
    """

    def __init__(self, findings: Findings, at: At, again: Callable[[str, At], tuple[ir.Service, ...]]) -> None:
        self.surroundings = Surroundings()
        self._findings = findings
        self._at = at
        self._again = again
        self._kept: dict[str, _Kept] = {}
        # the names of the Services that use each thing, the oldest first
        self._by_thing: dict[_Thing, tuple[str, ...]] = {}

    def of(self, name: str) -> tuple[ir.Service, ...]:
        """Return the services that a Service, given by name, is served as; none where there is no such Service."""
        kept = self._kept.get(name)
        return () if kept is None else kept.serving

    def candidate(self, name: str) -> tuple[ir.Service, ...]:
        """Return what the Service would become if there were no others."""
        kept = self._kept.get(name)
        return () if kept is None else kept.candidate.services

    def remarks(self, name: str) -> tuple[Remark, ...]:
        """Return the remarks on what was left out of a Service, given by name."""
        kept = self._kept.get(name)
        return () if kept is None else kept.remarks

    def services(self) -> Iterator[ir.Service]:
        """Return all services that are served, in the order of their Services."""
        return (service for kept in self._kept.values() for service in kept.serving)

    def names(self, addresses: Iterable[ir.Address]) -> set[str]:
        """Return the names of the Services that use one of the addresses, or have an endpoint there."""
        keys = ((kind, int(address)) for address in addresses for kind in ("at", "to"))
        return {name for key in keys for name in self._by_thing.get(key, ())}

    def update(
        self, changed: Mapping[str, Candidate | None], again: Iterable[str] = ()
    ) -> dict[str, tuple[ir.Service, ...]]:
        """Replace the candidates with these names, and check the Services in ``again`` anew. Return the services that
        each Service that was checked had before, by name.
        """
        before = {name: self.of(name) for name in sorted({*changed, *again})}
        waiting: list[tuple[Age, str]] = []
        for name in before:
            kept = self._kept.get(name)
            candidate = changed[name] if name in changed or kept is None else kept.candidate
            same_age = kept is not None and candidate is not None and kept.candidate.age == candidate.age
            if kept is not None:
                self._drop(name, kept)
                if not same_age:
                    waiting += self._younger(kept.candidate.age, kept.taken)
            if candidate is not None:
                self._add(name, candidate, kept if same_age else None)
                waiting.append((candidate.age, name))
        heapify(waiting)
        last = ""
        while waiting:
            _, name = heappop(waiting)
            if name != last and (kept := self._kept.get(name)) is not None:
                last = name
                before.setdefault(name, kept.serving)
                for other in self._younger(kept.candidate.age, self._check_candidate(name, kept)):
                    heappush(waiting, other)
        return before

    # -- what a service may clash over --------------------------------------------------------------------------------

    def _taken(self, services: Iterable[ir.Service]) -> frozenset[_Thing]:
        return frozenset(thing for service in services for thing in self._things(service))

    def _things(self, service: ir.Service) -> Iterator[_Thing]:
        addresses = [int(address) for address in service.addresses]
        yield from (("at", address) for address in addresses)
        yield from (("to", int(endpoint.address)) for endpoint in service.endpoints)
        shares = any(address in self.surroundings.nodes for address in service.shared)
        for port in service.ports:
            numbers = range(port.ports.first, port.ports.last + 1)
            yield from ((address, port.protocol, number) for address in addresses for number in numbers)
            if port.nodeport is not None:
                numbers = range(port.nodeport.first, port.nodeport.last + 1)
                yield from (("node", port.protocol, number) for number in numbers)
            if shares:  # these are on an address of a node, where node ports are served as well
                numbers = range(port.ports.first, port.ports.last + 1)
                yield from (("node", port.protocol, number) for number in numbers)

    def _add(self, name: str, candidate: Candidate, before: _Kept | None) -> None:
        things, alone = self._taken(candidate.services), (name,)
        for thing in things:
            others = self._by_thing.get(thing)
            if others is None:
                self._by_thing[thing] = alone
            else:
                at = bisect_left(others, candidate.age, key=self._age)
                self._by_thing[thing] = (*others[:at], name, *others[at:])
        self._kept[name] = kept = _Kept(candidate, things)
        if before is not None:
            kept.serving, kept.taken = before.serving, before.taken

    def _drop(self, name: str, kept: _Kept) -> None:
        for thing in kept.things:
            others = tuple(other for other in self._by_thing[thing] if other != name)
            if others:
                self._by_thing[thing] = others
            else:
                del self._by_thing[thing]
        del self._kept[name]

    def _age(self, name: str) -> Age:
        return self._kept[name].candidate.age

    def _meeting(self, thing: _Thing) -> Iterator[str]:
        """Return the names of those that may clash with the user of a thing.

        A service's own address clashes with endpoints at that address.
        """
        yield from self._by_thing.get(thing, ())
        if thing[0] == "at":
            yield from self._by_thing.get(("to", thing[1]), ())
        elif thing[0] == "to":
            yield from self._by_thing.get(("at", thing[1]), ())

    def _younger(self, age: Age, things: Iterable[_Thing]) -> Iterator[tuple[Age, str]]:
        """Return the age and name of the younger Services that may clash over these things.

        Two endpoints at one address do not clash.
        """
        for thing in things:
            for name in self._meeting(thing) if thing[0] != "to" else self._by_thing.get(("at", thing[1]), ()):
                other = self._kept[name].candidate.age
                if other > age:
                    yield other, name

    def _older(self, kept: _Kept) -> list[str]:
        """Return the older Services, served now, that a candidate may clash with. For each address one is enough,
        because the older ones agree with each other on its role; its ports are things of their own.
        """
        found: set[str] = set()
        for thing in kept.things:
            if thing[0] == "at":
                found |= {*self._preceding(kept, thing, 1), *self._preceding(kept, ("to", thing[1]), 1)}
            elif thing[0] == "to":
                found |= {*self._preceding(kept, ("at", thing[1]), 1)}
            else:
                found.update(self._preceding(kept, thing))
        return sorted(found, key=self._age)

    def _preceding(self, kept: _Kept, thing: _Thing, most: int | None = None) -> Iterator[str]:
        """Return the older ones that use a thing and are served with it, the oldest first, at most ``most`` of them."""
        older = takewhile(lambda name: self._age(name) < kept.candidate.age, self._by_thing.get(thing, ()))
        return islice((name for name in older if thing in self._kept[name].taken), most)

    # -- one service ---------------------------------------------------------------------------------------------------

    def _check_candidate(self, name: str, kept: _Kept) -> set[_Thing]:
        """Find out which part of a candidate is served. Return the things whose use changed, over which younger
        Services have to be checked again. Of an address that an older one uses that one decided the role, so it is left
        out.
        """
        before, taken = kept.serving, kept.taken
        older, candidate = self._older(kept), kept.candidate
        others = [service for other in older for service in self._kept[other].serving]
        if self._errors([*others, *candidate.services]):
            kept.serving, kept.remarks = self._without_errors(name, older)
            kept.taken = self._taken(kept.serving)
        else:
            kept.serving, kept.remarks, kept.taken = candidate.services, (), kept.things
        roles = _roles(before) ^ _roles(kept.serving)
        different: set[_Thing] = {*(taken ^ kept.taken), *(("at", number) for number, _, _ in roles)}
        if {one.name for one in before} != {one.name for one in kept.serving}:
            different |= taken | kept.taken  # remarks on younger Services name this one
        return {thing for thing in different if thing[0] != "at" or not [*self._preceding(kept, thing, 1)]}

    def _without_errors(self, name: str, older: Iterable[str]) -> tuple[tuple[ir.Service, ...], tuple[Remark, ...]]:
        """Return the candidate without everything that is at fault, and remarks why.

        A service is left out whole where no part of it is at fault.
        """
        numbers = Numbers()
        marked = [
            _all_at(service, numbers.at(Place(f"Service {other}")))
            for other in older
            for service in self._kept[other].serving
        ]
        theirs = {service.span for service in marked}
        own, remarks = self._again(name, numbers.at), dict[Remark, None]()
        while own and (errors := self._errors([*marked, *own])):
            culprits: set[Span] = set()
            for error in errors:
                spans = [s for s in (error.span, *(related.span for related in error.related)) if s is not None]
                mine = next((span for span in spans if span not in theirs), None)
                other = next((span for span in spans if span in theirs), None)
                place = Place(f"Service {name}") if mine is None else numbers.place(mine)
                remarks[Remark(place, error.message, related=other and numbers.place(other))] = None
                culprits |= {mine} if mine else {service.span for service in own if service.span}
            left = (service_without(service, frozenset(culprits)) for service in own)
            reduced = tuple(service for service in left if service is not None)
            own = () if reduced == own else reduced
        return tuple(_with_places(service, lambda span: self._at(numbers.place(span))) for service in own), tuple(
            remarks
        )

    def _errors(self, services: list[ir.Service]) -> list[Diagnostic]:
        if not services:
            return []
        surroundings = self.surroundings
        addresses = (address for service in services for address in service.addresses)
        nodes = {node.name: node for address in addresses if (node := surroundings.nodes.get(address)) is not None}
        if not nodes and surroundings.nodes:  # targets ask for one, whichever it is
            node = next(iter(surroundings.nodes.values()))
            nodes[node.name] = node
        program = ir.Program(surroundings.cluster, tuple(nodes.values()), tuple(services))
        return [found for found in self._findings(program) if found.severity is Severity.ERROR]


def _roles(services: Iterable[ir.Service]) -> set[tuple[int, bool, bool]]:
    """Return the role of each address: its number, whether it is a vip, and whether it is shared."""
    return {(int(a), a in s.vips, a in s.shared) for s in services for a in s.addresses}


def _all_at(service: ir.Service, span: Span) -> ir.Service:
    """Return the service as if all of it stood at one place."""
    return _with_places(service, lambda _: span, span)


def _with_places(service: ir.Service, where: Callable[[Span], Span | None], usual: Span | None = None) -> ir.Service:
    """Return the service with other places. ``usual``: the place of what has none."""

    def moved(span: Span | None) -> Span | None:
        return usual if span is None else where(span)

    def all_moved(spans: Mapping[str, Span]) -> dict[str, Span]:
        return {key: found for key, span in spans.items() if (found := where(span)) is not None}

    ports = (replace(port, span=moved(port.span), spans=all_moved(port.spans)) for port in service.ports)
    return replace(
        service,
        span=moved(service.span),
        spans=all_moved(service.spans),
        ports=tuple(ports),
        endpoints=tuple(replace(endpoint, span=moved(endpoint.span)) for endpoint in service.endpoints),
    )

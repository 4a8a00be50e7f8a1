"""Which endpoints pass their checks: from answers to standings, and from these to the program that is served."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from svcc.agent.probe import Answer, Probe, asked_of, probe_of, probes_of, question_of
from svcc.compiler import ir
from svcc.compiler.differing import differing_services

#: An endpoint that gets new connections: the name of its service, its address, and the port that they go to, of a range
#: the first.
Serving: TypeAlias = tuple[str, ir.Address, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a probe is up. ``since``: when that began, in seconds since 1970; nothing but messages uses it."""

    up: bool
    since: float
    row: int = 0  # how many answers in a row have said the opposite of ``up``
    answer: Answer | None = None  # the last answer
    joining: bool = False  # it was never up yet: one answer that passes is enough

    def after(self, answer: Answer, check: ir.Check, now: float) -> Standing:
        """Return the standing after one more answer. ``now``: seconds since 1970."""
        if answer.passed == self.up:
            joining = self.joining and not answer.passed
            return replace(self, row=0, answer=answer, joining=joining)
        row = self.row + 1
        enough = check.fall if self.up else 1 if self.joining else check.rise
        if row < enough:
            return replace(self, row=row, answer=answer)
        return Standing(answer.passed, now, 0, answer)

    @property
    def failed(self) -> bool:
        """Whether it is down, and not because it is joining."""
        return not self.up and not self.joining

    @property
    def asked_anew(self) -> Standing:
        """The standing where something else is asked from now on: it stays until that has been answered."""
        return replace(self, row=0, answer=None if self.joining else self.answer)


class Health:
    """The standings of all probes of a program. Probes come and go with the programs that are followed."""

    def __init__(self, standings: Mapping[str, Standing] | None = None) -> None:
        """``standings``: by the probes' keys, as they were when an earlier agent ended."""
        self._remembered = dict(standings or {})
        self._answered = _by_question(self._remembered)
        self._standings: dict[Probe, Standing] = {}
        self._followed: ir.Program | None = None
        self._checked: dict[str, ir.Service] = {}  # the services of that program that have a check
        self._users: dict[Probe, Collection[str]] = {}  # a new object whenever anything in it changes
        self._program: ir.Program | None = None  # the program that `_served` was made from
        self._served: dict[str, ir.Service] = {}  # services as they are served, by name, in the program's order
        self._news: set[str] = set()  # services with an endpoint that came up or went down since then

    @property
    def users(self) -> Mapping[Probe, Collection[str]]:
        """The names of the services that use each probe."""
        return self._users

    @property
    def standings(self) -> Mapping[Probe, Standing]:
        """The standing of each followed probe; a new object whenever other probes are followed."""
        return self._standings

    def follow(self, program: ir.Program, serving: Collection[Serving], now: float) -> None:
        """Follow the probes of a program from now on, and no others. ``now``: seconds since 1970.

        The standings of known probes stay. Where the check of a service's endpoint is another than before, the new
        probe begins as the old one stood. The probe of a new endpoint is down until it passes; but an endpoint that is
        ``serving`` already is up until it fails.
        """
        differing = differing_services(self._followed, program)
        self._followed = program
        before = {name: one for name in differing if (one := self._checked.pop(name, None)) is not None}
        come = {name: one for name, one in differing.items() if one is not None and one.check is not None}
        self._checked |= come
        if before or come:
            self._use(before.values(), come.values())
            found = self._begun(come, before, serving, now)
            self._standings = {probe: found.get(probe) or self._standings[probe] for probe in self._users}
        self._remembered, self._answered = {}, {}

    def _use(self, gone: Iterable[ir.Service], come: Iterable[ir.Service]) -> None:
        """Replace the probes that these services used by those that they use now."""
        users, going, coming = dict(self._users), _names(gone), _names(come)
        for probe in {**going, **coming}:
            names = {*users.get(probe, ())} - {*going.get(probe, ())}
            users[probe] = sorted({*names, *coming.get(probe, ())})
        self._users = {probe: names for probe, names in users.items() if names}

    def _begun(
        self,
        come: Mapping[str, ir.Service],
        before: Mapping[str, ir.Service],
        serving: Collection[Serving],
        now: float,
    ) -> dict[Probe, Standing]:
        """Return how those probes of new and changed services stand that no answer has decided yet. Where services that
        share a probe disagree, one whose endpoint failed counts."""
        found: dict[Probe, list[Standing]] = {}
        for name, service in come.items():
            old = _by_address(before[name]) if name in before else {}
            for endpoint, probe in asked_of(service):
                known = self._standings.get(probe)
                if known is None or not _is_decided(known):
                    some = found.setdefault(probe, [] if known is None else [known])
                    some.append(self._first(probe, service, endpoint, old, serving, now))
        stands = {probe: min(some, key=_rank) for probe, some in found.items()}
        for probe, standing in stands.items():
            if probe in self._standings and self._standings[probe].up != standing.up:
                self._news.update(self._users[probe])
        return stands

    def _first(
        self,
        probe: Probe,
        service: ir.Service,
        endpoint: ir.Endpoint,
        old: Mapping[ir.Address, list[tuple[Probe, Collection[int]]]],
        serving: Collection[Serving],
        now: float,
    ) -> Standing:
        """Return how a service's endpoint stands in the beginning. ``old``: the probes that the service had, with the
        ports that it served at, by address."""
        if probe.key in self._remembered:
            return self._remembered[probe.key]
        ports = served_ports(service, endpoint)
        for earlier, others in old.get(endpoint.address, ()):
            if earlier in self._standings and not ports.isdisjoint(others):
                standing = self._standings[earlier]
                return standing if earlier.question == probe.question else standing.asked_anew
        if probe.question in self._answered:
            return self._answered[probe.question]
        serves = any((service.name, endpoint.address, port) in serving for port in ports)
        return Standing(serves, now, joining=not serves)

    def hear(self, probe: Probe, answer: Answer, now: float) -> bool:
        """Enter an answer; return whether the probe came up or went down by it. An answer of a probe that is not
        followed changes nothing."""
        before = self._standings.get(probe)
        if before is None:
            return False
        after = self._standings[probe] = before.after(answer, probe.check, now)
        if after.up == before.up:
            return False
        self._news.update(self._users.get(probe, ()))
        return True

    @property
    def down(self) -> int:
        """How many probes keep new connections from endpoints."""
        return sum(not standing.up for standing in self._standings.values())

    def is_up(self, probe: Probe) -> bool:
        """Whether a probe counts as up. A probe that is not followed does."""
        return self._standings[probe].up if probe in self._standings else True

    def all_fail(self, service: ir.Service) -> bool:
        """Whether the service has endpoints that are not draining, and all of these fail their checks. An endpoint that
        was not asked yet does not fail."""
        asked = [probe_of(service, endpoint) for endpoint in service.endpoints if endpoint.weight]
        found = [self._standings.get(probe) for probe in asked if probe is not None]
        return bool(found) and all(one is not None and not one.up and _has_failed(one) for one in found)

    def served(self, service: ir.Service) -> ir.Service:
        """Return the service with its failed endpoints draining.

        Where every endpoint of a family that is not draining fails, ``when-failed`` says whether all or none of them
        serve.
        """
        if service.check is None:
            return service
        failed = [self._failed(service, endpoint) for endpoint in service.endpoints]
        for version in (4, 6):
            here = [n for n, e in enumerate(service.endpoints) if e.address.version == version and e.weight]
            if all(failed[n] for n in here) and service.when_failed is ir.WhenFailed.OPEN:
                for n in here:
                    failed[n] = False
        if not any(failed):
            return service
        ends = (_out(service, e) if out else e for e, out in zip(service.endpoints, failed, strict=True))
        return replace(service, endpoints=tuple(ends))

    def served_all(self, program: ir.Program) -> ir.Program:
        """Return the program with every service as :meth:`served` has it.

        Only services that differ from the last program, or have a probe that came up or went down since, are made anew.
        """
        differing = differing_services(self._program, program)
        if self._news:
            differing |= {one.name: one for one in program.services if one.name in self._news}
            self._news.clear()
        others = any(one is None or name not in self._served for name, one in differing.items())
        self._served.update((name, self.served(one)) for name, one in differing.items() if one is not None)
        if others:  # services were added or removed: restore the program's order
            self._served = {one.name: self._served[one.name] for one in program.services}
        self._program = program
        return replace(program, services=tuple(self._served.values()))

    def _failed(self, service: ir.Service, endpoint: ir.Endpoint) -> bool:
        probe = probe_of(service, endpoint) if endpoint.weight else None
        return probe is not None and not self.is_up(probe)


def served_ports(service: ir.Service, endpoint: ir.Endpoint) -> frozenset[int]:
    """Return the ports at which a service's endpoint gets connections, of each range the first."""
    return frozenset(port.target for port in service.ports) if endpoint.port is None else frozenset((endpoint.port,))


def all_serving(program: ir.Program) -> set[Serving]:
    """Return all endpoints of a program, as if all of them got new connections."""
    return {
        (service.name, endpoint.address, port)
        for service in program.services
        for endpoint in service.endpoints
        for port in served_ports(service, endpoint)
    }


def _rank(standing: Standing) -> int:
    """Return which standing counts, the least, where several are known of a probe."""
    return 0 if standing.failed else 1 if standing.up else 2


def _is_decided(standing: Standing) -> bool:
    """Whether answers have decided how a probe stands, and the last one says so, too."""
    return standing.answer is not None and not (standing.up and standing.row)


def _by_question(standings: Mapping[str, Standing]) -> dict[str, Standing]:
    """Return standings by what is asked, of standings by the probes' keys."""
    found: dict[str, Standing] = {}
    for key, standing in standings.items():
        question = question_of(key)
        found[question] = min(found.get(question, standing), standing, key=_rank)
    return found


def _by_address(service: ir.Service) -> dict[ir.Address, list[tuple[Probe, Collection[int]]]]:
    """Return the probes of a service, with the ports that it serves at, by address."""
    found: dict[ir.Address, list[tuple[Probe, Collection[int]]]] = {}
    for endpoint, probe in asked_of(service):
        found.setdefault(endpoint.address, []).append((probe, served_ports(service, endpoint)))
    return found


def _names(services: Iterable[ir.Service]) -> dict[Probe, list[str]]:
    """Return the names of services by their probes."""
    found: dict[Probe, list[str]] = {}
    for service in services:
        for probe in probes_of(service):
            found.setdefault(probe, []).append(service.name)
    return found


def _has_failed(standing: Standing) -> bool:
    """Whether the check of an endpoint that is down has failed: not where the endpoint is joining, and was not asked
    yet."""
    return not standing.joining or (standing.answer is not None and not standing.answer.passed)


def _out(service: ir.Service, endpoint: ir.Endpoint) -> ir.Endpoint:
    """Return a failed endpoint, which drains.

    With ``when-empty draining``, draining endpoints serve where nobody else can. One that the program drains still
    works, but a failed one does not. So it drains as a backup, which gets no new connections even then.
    """
    last = service.when_empty is ir.WhenEmpty.DRAINING
    return replace(endpoint, weight=0, backup=endpoint.backup or last)

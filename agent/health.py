"""Which endpoints pass their checks: from answers to standings, and from these to the program that is served."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from svcc.agent.probe import Answer, Probe, probe_of, probes_of
from svcc.compiler import ir
from svcc.compiler.differing import Services, differing_services


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


class Health:
    """The standings of all probes of a program. Probes come and go with the programs that are followed."""

    def __init__(self, standings: Mapping[str, Standing] | None = None) -> None:
        """``standings``: by the probes' keys, as they were when an earlier agent ended."""
        self._remembered = dict(standings or {})
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

    def follow(self, program: ir.Program, serving: Collection[ir.Address], now: float) -> None:
        """Follow the probes of a program from now on, and no others. ``now``: seconds since 1970.

        The standings of known probes stay. A new probe is down until it passes; but the endpoints at ``serving``
        addresses serve already, and are up until they fail.
        """
        differing = differing_services(self._followed, program)
        self._followed = program
        if self._use(differing):
            self._standings = {
                probe: self._standings.get(probe) or self._known(probe, probe.address in serving, now)
                for probe in self._users
            }
        self._remembered = {}

    def _use(self, services: Services) -> bool:
        """Replace the probes that these services used by those that they use now. Return whether any of them has, or
        had, a check."""
        gone = [one for name in services if (one := self._checked.pop(name, None)) is not None]
        come = {name: one for name, one in services.items() if one is not None and one.check is not None}
        self._checked |= come
        if not gone and not come:
            return False
        users, going, coming = dict(self._users), _names(gone), _names(come.values())
        for probe in {**going, **coming}:
            names = {*users.get(probe, ())} - {*going.get(probe, ())}
            users[probe] = sorted({*names, *coming.get(probe, ())})
        self._users = {probe: names for probe, names in users.items() if names}
        return True

    def _known(self, probe: Probe, serves: bool, now: float) -> Standing:
        return self._remembered.get(probe.key) or Standing(serves, now, joining=not serves)

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

"""Which endpoints pass their checks: from answers to who is up, and from that to the program that is served."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from svcc.agent.probe import Answer, Probe, probe_of, probes_of
from svcc.compiler import ir
from svcc.compiler.differing import Services, differing_services


@dataclass(frozen=True, slots=True)
class Standing:
    """How a probe stands. ``since``: when it came to be so, in seconds since 1970; it is for people alone."""

    up: bool
    since: float
    row: int = 0  # so many last answers said the other thing, in a row
    answer: Answer | None = None  # the last one
    joining: bool = False  # it was never up: one answer that passes is enough

    def after(self, answer: Answer, check: ir.Check, now: float) -> Standing:
        """How it stands after one more answer."""
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
        """``standings``: of probes by their keys, as they were when an agent ended."""
        self._remembered = dict(standings or {})
        self._standings: dict[Probe, Standing] = {}
        self._followed: ir.Program | None = None
        self._checked: dict[str, ir.Service] = {}  # of the services of that those with a check
        self._users: dict[Probe, Collection[str]] = {}  # another object whenever there are others
        self._program: ir.Program | None = None  # of which it is known how it is served
        self._served: dict[str, ir.Service] = {}  # by name, in the program's order
        self._news: set[str] = set()  # the services whose endpoints stand otherwise since then

    @property
    def users(self) -> Mapping[Probe, Collection[str]]:
        """The services that use a probe."""
        return self._users

    @property
    def standings(self) -> Mapping[Probe, Standing]:
        """How each followed probe stands; another object whenever other probes are followed."""
        return self._standings

    def follow(self, program: ir.Program, serving: Collection[ir.Address], now: float) -> None:
        """Follow the probes of a program from now on, and no others.

        What is known of a probe goes on. One that is new joins when it passes; but the endpoints at ``serving``
        addresses serve already, and stay until they fail.
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
        """Note which probes services use now, in place of what those of their names used; whether any has a check."""
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
        """Take an answer; whether the probe came up or went down by it. One that is not followed changes nothing."""
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
        """Whether a probe counts as up; one that nobody follows does."""
        return self._standings[probe].up if probe in self._standings else True

    def all_fail(self, service: ir.Service) -> bool:
        """Whether every endpoint that is not draining fails its check, and there is one. Those that were not asked yet
        do not fail."""
        asked = [probe_of(service, endpoint) for endpoint in service.endpoints if endpoint.weight]
        found = [self._standings.get(probe) for probe in asked if probe is not None]
        return bool(found) and all(one is not None and not one.up and _has_failed(one) for one in found)

    def served(self, service: ir.Service) -> ir.Service:
        """The service with its failed endpoints draining.

        Where every endpoint of a family that is not draining fails, ``when-failed`` says whether all or none serve.
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
        """The program with every service as :meth:`served` has it. Of one that was asked for before only those services
        are made anew of which a probe came up or went down.
        """
        differing = differing_services(self._program, program)
        if self._news:
            differing |= {one.name: one for one in program.services if one.name in self._news}
            self._news.clear()
        others = any(one is None or name not in self._served for name, one in differing.items())
        self._served.update((name, self.served(one)) for name, one in differing.items() if one is not None)
        if others:  # the program's order is another
            self._served = {one.name: self._served[one.name] for one in program.services}
        self._program = program
        return replace(program, services=tuple(self._served.values()))

    def _failed(self, service: ir.Service, endpoint: ir.Endpoint) -> bool:
        probe = probe_of(service, endpoint) if endpoint.weight else None
        return probe is not None and not self.is_up(probe)


def _names(services: Iterable[ir.Service]) -> dict[Probe, list[str]]:
    """The names of services by their probes."""
    found: dict[Probe, list[str]] = {}
    for service in services:
        for probe in probes_of(service):
            found.setdefault(probe, []).append(service.name)
    return found


def _has_failed(standing: Standing) -> bool:
    """Of one that is down: whether an answer said so, as against one that joins and was not heard yet."""
    return not standing.joining or (standing.answer is not None and not standing.answer.passed)


def _out(service: ir.Service, endpoint: ir.Endpoint) -> ir.Endpoint:
    """A failed endpoint: it drains. Where draining endpoints serve when nobody else can, it does so as a backup, which
    then serves nobody new: who drains by the program's word still works, and who failed does not.
    """
    last = service.when_empty is ir.WhenEmpty.DRAINING
    return replace(endpoint, weight=0, backup=endpoint.backup or last)

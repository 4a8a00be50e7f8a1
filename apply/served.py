"""Compare what two sides serve, a generation and a draft for example, as far as that is known of both.

Most is known of a side with a program. Of a generation that an earlier svcc recorded only its frontends are known, with
names, endpoints and weights; of a bundle that was compiled elsewhere, only where its rules send packets.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from svcc.apply.execution_plan import ExecutionPlan
from svcc.apply.generation import Draft, Generation
from svcc.apply.installation import Installation
from svcc.apply.machine import Machine
from svcc.apply.program_text import KeptProgram
from svcc.apply.scope import Scope
from svcc.apply.summary import ServedFrontend, Summary
from svcc.apply.summary_program import program_of
from svcc.compiler import ir
from svcc.compiler.comparison import Comparison, ServiceChanges, compare
from svcc.compiler.service_change import What
from svcc.kernel.routes import Destination, Route, Routes, ports_text
from svcc.kernel.steps import FrontendAddress
from svcc.targets import find
from svcc.targets.interface import Bundle


class Detail(IntEnum):
    """How much is known of a side, from little to all."""

    RULES = 1  # frontends and the endpoints that get new connections
    FRONTENDS = 2  # and names, weights, and endpoints that drain
    PROGRAM = 3  # everything


@dataclass(frozen=True)
class Side:
    """One of the two sides that are compared, with what is known of it."""

    program: KeptProgram | None = None
    summarise: Callable[[], Summary] | None = None  # returns its frontends
    rules: Callable[[], Collection[Route]] | None = None  # returns its routes
    at_addresses: bool = False  # whether its rules have node ports at the node's declared addresses alone
    nothing: bool = False  # whether it serves nothing, whatever cluster the other side has

    @property
    def detail(self) -> Detail:
        """How much is known of the side: its program, its frontends, or its rules alone."""
        if self.nothing or self.program is not None:
            return Detail.PROGRAM
        return Detail.FRONTENDS if self.summarise is not None else Detail.RULES

    @cached_property
    def summary(self) -> Summary:
        """The frontends that the side serves; none where only its rules are known."""
        return self.summarise() if self.summarise is not None else Summary()

    @cached_property
    def routes(self) -> Collection[Route]:
        """The routes by which new connections go."""
        if self.summarise is None and self.rules is not None:
            return self.rules()
        return [*_routes(self.summary.frontends)]

    def beside(self, other: Side) -> Side:
        """Return this side without the node ports that the other side's rules cannot have: those of an address family
        of which the node has no address."""
        if not other.at_addresses or self.summarise is None:
            return self
        whole = self.summary
        own = {6 if ":" in address else 4 for address in whole.node_addresses}
        possible = tuple(one for one in whole.frontends if one.address is not None or one.version in own)
        return Side(summarise=lambda: replace(whole, frontends=possible))

    def as_program(self) -> ir.Program:
        """Return the program, or one that serves the same as far as that is known. Errors: ValueError, where a bundle
        is damaged."""
        if self.program is not None:
            with suppress(ValueError):
                return self.program.program()
        if self.summarise is not None or self.nothing:
            return program_of(self.summary.frontends, ())
        return program_of(tuple(_by_routes(self.routes, ())), ())


NOTHING = Side(nothing=True)


def generation_side(installation: Installation, generation: Generation | None) -> Side:
    """Return the side that a generation serves. Errors, also when the side is looked at: StoreError, ValueError."""
    if generation is None or generation.target is None:
        return NOTHING
    summary = installation.summary(generation)
    program = installation.program(generation)
    if program is None and not summary.frontends:
        return rules_side(
            generation.target, lambda: bundle_routes(installation.bundle(generation), installation.scope(generation))
        )
    return Side(program, lambda: summary)


def summary_of(installation: Installation, generation: Generation | None) -> Summary:
    """Return what a generation serves, also of a bundle; that has no names. Errors: StoreError, ValueError."""
    found = installation.summary(generation)
    if generation is None or generation.target is None or found.frontends or installation.program(generation):
        return found
    routes = bundle_routes(installation.bundle(generation), installation.scope(generation))
    return Summary(tuple(_by_routes(routes, ())))


def draft_side(draft: Draft) -> Side:
    """Return the side that a draft is to serve. Errors, when the side is looked at: ValueError."""
    if draft.program is None:
        bundle = draft.bundle
        if bundle is None:
            return NOTHING
        if not draft.summary.frontends:
            return rules_side(bundle.target, lambda: bundle_routes(bundle, draft.scope))
    return Side(draft.program, lambda: draft.summary)


def rules_side(target: str, rules: Callable[[], Collection[Route]]) -> Side:
    """Return a side of which only the rules are known. ``target``: the target whose rules they are."""
    found = find(target)
    return Side(rules=rules, at_addresses=found is not None and not found.translates)


def says_otherwise(installation: Installation, generation: Generation, draft: Draft) -> bool:
    """Whether a draft's services differ from a generation's, if only in a name or a health check, which rules do not
    show.

    Nodes and the cluster's settings do not count. False where either was a bundle, as its program is not known.
    """
    before = installation.program(generation)
    if before is None or draft.program is None:
        return False
    try:
        return bool(compare(*before.differing(draft.program)).services)
    except ValueError:  # the record is damaged
        return False


def is_recorded(installation: Installation, generation: Generation, draft: Draft, *, known: bool = False) -> bool:
    """Whether a generation records what a draft says: the same rules, the same services, and the same reviewed program.

    ``known``: whether the services are known to be the same, so that they are not compared again.
    """
    if not installation.is_bundle_of(generation, draft) or draft.of not in (None, generation.reviewed):
        return False
    if draft.program is not None and installation.program(generation) is None:
        return False  # the generation was a bundle, without the names of services that the draft has
    if not known and says_otherwise(installation, generation, draft):
        return False
    if draft.of is not None or generation.of is None:
        return True
    return not says_otherwise(installation, installation.generation(generation.of), draft)


def bundle_routes(bundle: Bundle | None, scope: Scope) -> Collection[Route]:
    """Return the routes by which a bundle's rules send packets. Errors: ValueError."""
    machine = Machine(scope.including(bundle))
    states = machine.parse(bundle)
    return [*Routes.of(machine.served(states))]


@dataclass(frozen=True, slots=True)
class Compared:
    """What differs between two sides."""

    comparison: Comparison
    detail: Detail  # how much is known of both sides; what is known of one alone was not compared


def compare_sides(old: Side, new: Side) -> Compared:
    """Return what differs between two sides. A damaged program counts as not known. Errors: StoreError; ValueError,
    where a bundle is damaged."""
    detail = min(old.detail, new.detail)
    if detail is Detail.PROGRAM:
        try:
            return Compared(_by_programs(old, new), detail)
        except ValueError:
            return compare_sides(replace(old, program=None), replace(new, program=None))
    if detail is Detail.FRONTENDS:
        before, after = old.summary.frontends, new.summary.frontends
    else:
        names = [side.summary for side in (old, new) if side.summarise is not None]
        sides = old.beside(new), new.beside(old)
        before, after = (tuple(_by_routes(side.routes, names)) for side in sides)
    found = compare(program_of(before, after), program_of(after, before))
    return Compared(replace(found, services=tuple(map(_without_roles, found.services))), detail)


def _without_roles(changes: ServiceChanges) -> ServiceChanges:
    """Return the changes with "address" in place of "vip" and "external ip": frontends do not tell these apart."""
    told = (
        replace(one, before=one.before and "address", after=one.after and "address") if one.what in _ADDRESSES else one
        for one in changes.changes
    )
    return replace(changes, changes=tuple(told))


_ADDRESSES = (What.ADDRESS_ADDED, What.ADDRESS_REMOVED)


def _by_programs(old: Side, new: Side) -> Comparison:
    if old.program is not None and new.program is not None:
        return compare(*old.program.differing(new.program))
    before = old.program.program() if old.program else None
    after = new.program.program() if new.program else None
    nothing = replace(before or after or ir.Program(), services=())
    return compare(before or nothing, after or nothing)


# ---- what rules serve


def unrecorded(plan: ExecutionPlan, installation: Installation) -> tuple[ServedFrontend, ...]:
    """Return the frontends that the kernel serves and the generation in place does not know, without names and
    endpoints: somebody loaded rules of before, or the record was lost. Errors: StoreError, ValueError."""
    current = installation.current
    summary = installation.summary(current)
    known = summary.reached
    if current is not None and not summary.frontends:  # a bundle was applied, without names
        known = Routes.of(bundle_routes(installation.bundle(current), installation.scope(current))).frontends
    live = Routes.of(plan.machine.routes(plan.live))
    nobodys = live.at(live.frontends - known)
    return tuple(replace(one, label="", service="", endpoints=()) for one in _by_routes(nobodys, ()))


def _routes(frontends: Iterable[ServedFrontend]) -> Iterator[Route]:
    for one in frontends:
        yield from (Route(one.reached_at, to, port, len(one.ports)) for to, port, weight in one.endpoints if weight)


@dataclass(slots=True)
class _Run:
    """Ports of one frontend that follow each other, as the ports of its endpoints do."""

    at: FrontendAddress
    ports: int
    ends: set[tuple[str, int]]  # the endpoints, each with the port that it has for the first of these ports
    known: ServedFrontend | None  # the frontend that a summary knows here

    def takes_on(self, next: _Run) -> bool:
        """Add the run behind this one, and return True, where it goes on with it: also under the same name."""
        one, other = self.at, next.at
        if (one.address, one.protocol, one.port + self.ports) != (other.address, other.protocol, other.port) or (
            _label(self.known) != _label(next.known)
            or {(address, port + self.ports) for address, port in self.ends} != next.ends
        ):
            return False
        self.ports += next.ports
        return True


def _label(frontend: ServedFrontend | None) -> str:
    return frontend.label if frontend else ""


def _by_routes(routes: Iterable[Route], names: Collection[Summary]) -> Iterator[ServedFrontend]:
    """Yield the frontends of routes, each with its endpoints. ``names``: summaries that name frontends. One that none
    of them names is a service of its own, which has its address and ports as its name.
    """
    run: _Run | None = None
    for next in _runs(routes, names):
        if run is None or not run.takes_on(next):
            if run is not None:
                yield _served_frontend(run)
            run = next
    if run is not None:
        yield _served_frontend(run)


def _runs(routes: Iterable[Route], names: Collection[Summary]) -> Iterator[_Run]:
    """Yield all ports of routes, in order, in runs within which neither the endpoints nor the names change."""
    found: dict[Destination, list[_Piece]] = {}
    for route in routes:
        for piece in _pieces(route, names):
            found.setdefault(piece.to, []).append(piece)
    for to in sorted(found, key=lambda one: (one.address or "", one.protocol)):
        yield from _side_by_side(to, found[to])


class _Piece(NamedTuple):
    """Those ports of a route that have one name."""

    to: Destination
    first: int
    end: int  # the port behind the last one
    way: tuple[str, int]  # the endpoint, and how far its ports are from the client's
    known: ServedFrontend | None


def _pieces(route: Route, names: Collection[Summary]) -> Iterator[_Piece]:
    at, end = route.frontend, route.frontend.port + route.ports
    cuts = {port for one in names for known in one.at(at, route.ports) for port in (known.first, known.last + 1)}
    bounds = [at.port, *sorted(port for port in cuts if at.port < port < end), end]
    for first, behind in pairwise(bounds):
        asked = replace(at, port=first)
        known = next((found for one in names if (found := next(one.at(asked), None)) is not None), None)
        # IPVS has a node port at an address of the node, where the summary has no address
        to = Destination(at.address if known is None else known.address, at.protocol)
        yield _Piece(to, first, behind, (route.endpoint, route.port - at.port), known)


def _side_by_side(to: Destination, pieces: Sequence[_Piece]) -> Iterator[_Run]:
    """Yield a run for each stretch of ports within which no piece begins or ends."""
    begin: dict[int, list[int]] = {}
    end: dict[int, list[int]] = {}
    for number, piece in enumerate(pieces):
        begin.setdefault(piece.first, []).append(number)
        end.setdefault(piece.end, []).append(number)
    here: dict[int, _Piece] = {}
    for port, behind in pairwise(sorted({*begin, *end})):
        for number in end.get(port, ()):
            del here[number]
        here |= {number: pieces[number] for number in begin.get(port, ())}
        if here:
            known = next(iter(here.values())).known
            served = {(endpoint, port + shift) for endpoint, shift in (piece.way for piece in here.values())}
            yield _Run(FrontendAddress(to.address, to.protocol, port), behind - port, served, known)


def _served_frontend(run: _Run) -> ServedFrontend:
    at, last = run.at, run.at.port + run.ports - 1
    name = ports_text(at, last)
    return ServedFrontend(
        run.known.label if run.known else name,
        run.known.service if run.known else name,
        at.address,
        6 if ":" in (at.address or "") else 4,
        at.protocol,
        at.port,
        last,
        tuple((address, port, 1) for address, port in sorted(run.ends)),
    )

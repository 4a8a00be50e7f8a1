"""What is served, as far as it is known, and what changes between two of these.

Most is known of a program. Of a generation that an earlier svcc recorded only its frontends are known, with names,
endpoints and weights; of a bundle that was compiled elsewhere, only where its rules send packets. Two sides are
compared by what both know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

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
from svcc.kernel.steps import FrontendAddress, Route, socket_text
from svcc.targets import find
from svcc.targets.interface import Bundle


class Detail(IntEnum):
    """How much is known of a side, from little to all."""

    RULES = 1  # frontends and the endpoints that get new connections
    FRONTENDS = 2  # and names, weights, those that drain
    PROGRAM = 3


@dataclass(frozen=True)
class Side:
    """One of the two sides that are compared. ``nothing``: it serves nothing, whatever cluster the other side has.

    ``at_addresses``: these rules have a node port at each address that the node was declared with, and at no other.
    """

    program: KeptProgram | None = None
    summarise: Callable[[], Summary] | None = None
    rules: Callable[[], Collection[Route]] | None = None
    at_addresses: bool = False
    nothing: bool = False

    @property
    def detail(self) -> Detail:
        """What is known of the side: its program, its frontends, or its rules alone."""
        if self.nothing or self.program is not None:
            return Detail.PROGRAM
        return Detail.FRONTENDS if self.summarise is not None else Detail.RULES

    @cached_property
    def summary(self) -> Summary:
        """The frontends that the side serves; none where only its rules are known."""
        return self.summarise() if self.summarise is not None else Summary()

    @cached_property
    def routes(self) -> Collection[Route]:
        """Where new connections go."""
        if self.summarise is None and self.rules is not None:
            return self.rules()
        return [*_routes(self.summary.frontends)]

    def beside(self, other: Side) -> Side:
        """This side without node ports that the other's rules cannot have: those of a family without an address."""
        if not other.at_addresses or self.summarise is None:
            return self
        whole = self.summary
        own = {6 if ":" in address else 4 for address in whole.node_addresses}
        there = tuple(one for one in whole.frontends if one.address is not None or one.version in own)
        return Side(summarise=lambda: replace(whole, frontends=there))

    def as_program(self) -> ir.Program:
        """The program, or one that serves the same as far as it is known. Errors: ValueError, of a damaged bundle."""
        if self.program is not None:
            with suppress(ValueError):
                return self.program.program()
        if self.summarise is not None or self.nothing:
            return program_of(self.summary.frontends, ())
        return program_of(tuple(_by_routes(self.routes, ())), ())


NOTHING = Side(nothing=True)


def generation_side(installation: Installation, generation: Generation | None) -> Side:
    """What a generation serves. Errors, also when it is looked at: StoreError, ValueError."""
    if generation is None or generation.target is None:
        return NOTHING
    summary = installation.summary(generation)
    program = installation.program(generation)
    if program is None and not summary.frontends:
        return rules_side(
            generation.target, lambda: bundle_routes(installation.bundle(generation), installation.scope(generation))
        )
    return Side(program, lambda: summary)


def draft_side(draft: Draft) -> Side:
    """What a draft is to serve. Errors, when it is looked at: ValueError."""
    if draft.program is None:
        bundle = draft.bundle
        if bundle is None:
            return NOTHING
        if not draft.summary.frontends:
            return rules_side(bundle.target, lambda: bundle_routes(bundle, draft.scope))
    return Side(draft.program, lambda: draft.summary)


def rules_side(target: str, rules: Callable[[], Collection[Route]]) -> Side:
    """What a target's rules tell."""
    found = find(target)
    return Side(rules=rules, at_addresses=found is not None and not found.translates)


def says_otherwise(installation: Installation, generation: Generation, draft: Draft) -> bool:
    """Whether a draft's services differ from a generation's, even where the rules are the same: in a name, or a check.

    Other nodes and the cluster do not count. False where either was a bundle, as its program is not known.
    """
    before = installation.program(generation)
    if before is None or draft.program is None:
        return False
    try:
        return bool(compare(*before.differing(draft.program)).services)
    except ValueError:  # the record is damaged
        return False


def is_recorded(installation: Installation, generation: Generation, draft: Draft, *, known: bool = False) -> bool:
    """Whether a generation says what a draft says: the same rules for the same services, served and reviewed.

    ``known``: the services are the same, which is not compared again.
    """
    if not installation.is_bundle_of(generation, draft) or draft.of not in (None, generation.reviewed):
        return False
    if draft.program is not None and installation.program(generation) is None:
        return False  # it was a bundle: what it serves has names now
    if not known and says_otherwise(installation, generation, draft):
        return False
    if draft.of is not None or generation.of is None:
        return True
    return not says_otherwise(installation, installation.generation(generation.of), draft)


def bundle_routes(bundle: Bundle | None, scope: Scope) -> Collection[Route]:
    """Where a bundle's rules send packets. Errors: ValueError."""
    machine = Machine(scope.including(bundle))
    states = machine.parse(bundle)
    return {route for driver in machine.drivers for route in driver.served(states.of(driver))}


@dataclass(frozen=True, slots=True)
class Compared:
    """``detail``: what both sides know. What only one of them knows is not compared."""

    comparison: Comparison
    detail: Detail


def compare_sides(old: Side, new: Side) -> Compared:
    """What differs. A damaged program counts as not known. Errors: StoreError; ValueError, for a damaged bundle."""
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
    """Frontends do not tell vips from external ips."""
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


def _routes(frontends: Iterable[ServedFrontend]) -> Iterator[Route]:
    for one in frontends:
        for shift in range(one.last - one.first + 1):
            frontend = FrontendAddress(one.address, one.protocol, one.first + shift)
            yield from (Route(frontend, address, port + shift) for address, port, weight in one.endpoints if weight)


def _by_routes(routes: Iterable[Route], names: Collection[Summary]) -> Iterator[ServedFrontend]:
    """Frontends with their endpoints. A frontend that has no name in any of the summaries is a service of its own,
    which is called as it is reached.
    """
    ends: dict[FrontendAddress, set[tuple[str, int]]] = {}
    named: dict[FrontendAddress, ServedFrontend] = {}
    for route in routes:
        frontend = route.frontend
        known = next((found for one in names if (found := one.frontend(frontend)) is not None), None)
        if known is not None:  # on ipvs a node port is at one of the node's addresses
            frontend = FrontendAddress(known.address, frontend.protocol, frontend.port)
            named[frontend] = known
        ends.setdefault(frontend, set()).add((route.endpoint, route.port))
    for run in _runs(ends, named):
        yield _served_frontend(run, ends, named.get(run[0]))


def _runs(
    ends: dict[FrontendAddress, set[tuple[str, int]]], named: dict[FrontendAddress, ServedFrontend]
) -> Iterator[list[FrontendAddress]]:
    """Places that are a range of ports: they follow each other, as their endpoints' ports do, and have one name."""
    run: list[FrontendAddress] = []
    for frontend in sorted(ends, key=lambda one: (one.address or "", one.protocol, one.port)):
        if run and not _follows(run[-1], frontend, ends, named):
            yield run
            run = []
        run.append(frontend)
    if run:
        yield run


def _follows(
    one: FrontendAddress,
    next: FrontendAddress,
    ends: dict[FrontendAddress, set[tuple[str, int]]],
    named: dict[FrontendAddress, ServedFrontend],
) -> bool:
    return (
        (one.address, one.protocol, one.port + 1) == (next.address, next.protocol, next.port)
        and _label(named.get(one)) == _label(named.get(next))
        and {(address, port + 1) for address, port in ends[one]} == ends[next]
    )


def _label(frontend: ServedFrontend | None) -> str:
    return frontend.label if frontend else ""


def _served_frontend(
    run: list[FrontendAddress], ends: dict[FrontendAddress, set[tuple[str, int]]], known: ServedFrontend | None
) -> ServedFrontend:
    first, last = run[0], run[-1].port
    ports = str(first.port) if first.port == last else f"{first.port}-{last}"
    where = "node port " if first.address is None else socket_text(first.address, 0).removesuffix("0")
    name = f"{where}{ports}/{first.protocol}"
    return ServedFrontend(
        known.label if known else name,
        known.service if known else name,
        first.address,
        6 if ":" in (first.address or "") else 4,
        first.protocol,
        first.port,
        last,
        tuple((address, port, 1) for address, port in sorted(ends[first])),
    )

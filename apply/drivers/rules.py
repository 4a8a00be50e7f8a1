"""The drivers of iptables and ip6tables. Each changes its chains in one step: a single run of iptables-restore."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import ClassVar

from svcc.apply.driver import Driver, Fingerprint, Reading, Transition
from svcc.apply.foreign import foreign_chains, own_chains
from svcc.apply.scope import Scope
from svcc.kernel.nft import generation
from svcc.kernel.routes import Frontends, Route, Routes
from svcc.kernel.steps import Change, Phase, Step
from svcc.kernel.xtables import changes, routes
from svcc.kernel.xtables.loading import BESIDE_BALANCER, TRANSLATING, Load
from svcc.kernel.xtables.meaning import CombinedMeaning
from svcc.kernel.xtables.reading import Listings
from svcc.kernel.xtables.state import (
    ForeignChain,
    ForeignJump,
    State,
    Table,
    Tables,
    dump_state,
    leads_to,
    load_state,
    parse_script,
)
from svcc.kernel.xtables.variant import default, other
from svcc.targets import targets

#: With more frontends than this, making all routes is as quick.
_FEW = 16


def meaning(prefix: str) -> CombinedMeaning:
    """Return what svcc's chains mean, as all targets together define it. ``prefix``: the prefix of their names."""
    return CombinedMeaning(filter(None, (target.chains(prefix) for target in targets().values())))


def table_order(transition: Transition) -> tuple[str, ...]:
    """Return the names of the tables, in the order in which they are committed during a transition."""
    return BESIDE_BALANCER if transition.to_balancer else TRANSLATING


class XtablesReading(Reading[State]):
    """A reading of one family's rules: the listings of both variants (legacy and nft), made only where needed.

    Nothing is listed where the kernel says that the rules have not changed since the fingerprint was recorded.
    ``repeated``: whether a session reads again and again; ``last``: the session's reading before this one.
    """

    def __init__(
        self,
        family: str,
        fingerprint: Fingerprint | None,
        *,
        repeated: bool = False,
        last: XtablesReading | None = None,
    ) -> None:
        self._family, self._fingerprint, self._repeated = family, fingerprint, repeated
        self._began = threading.get_ident(), generation.transactions()
        self._later: XtablesReading | None = None
        mark = fingerprint.mark if fingerprint else ""
        listed: Listings | None = last.latest.listings if last else None
        self.listings: Listings = Listings(family, mark, repeated=repeated, last=listed)

    @property
    def latest(self) -> XtablesReading:
        """The reading that :meth:`again` began last, or this reading where it began none."""
        return self._later or self

    def again(self) -> XtablesReading | None:
        if self._repeated:
            self._later = XtablesReading(self._family, None, repeated=True)
        return self._later

    def state(self, scope: Scope, wanted: State) -> State:
        loaded = [*scope.texts(self._family)]  # the kernel may hold a table that one of these texts names
        found = self.listings.state(
            scope, lambda table: table in wanted.tables or any(f"*{table}\n" in text for text in loaded)
        )
        return own_chains(found, self._family, scope)

    def digest(self, scope: Scope) -> str | None:
        if (
            self.listings.known and self._fingerprint is not None
        ):  # the listings are those that the fingerprint was recorded from
            return self._fingerprint.digest or None
        return self.listings.digest(scope)

    def matches(self, fingerprint: Fingerprint, scope: Scope) -> bool:
        if self.listings.known and fingerprint == self._fingerprint:
            return True
        matches = super().matches(fingerprint, scope)
        if matches:
            self.listings.settle()
        return matches

    def mark(self) -> str:
        return self.listings.mark()

    def mark_after(self) -> str:
        thread, count = self._began
        if thread != threading.get_ident():
            return ""
        return self.listings.mark_after(generation.transactions() - count)

    def changed_exactly(self, earlier: Reading[State], have: State, want: State, scope: Scope) -> bool:
        if not isinstance(earlier, XtablesReading):
            return False
        changed = self.listings.changed_exactly(earlier.listings, have, want, scope)
        if changed:
            self.listings.settle()
        return changed


class XtablesDriver(Driver[State]):
    """The driver of svcc's chains of one family, and of the rules in built-in chains that lead to them."""

    translates = True
    has_fingerprint = True
    version: ClassVar[int]  # of IP

    def from_target(self, state: object) -> State | None:
        return state if isinstance(state, State) else None

    def parse(self, text: str, scope: Scope) -> State:
        return parse_script(text, scope)

    def read(self, scope: Scope, wanted: State) -> State:
        return self.begin(scope).state(scope, wanted)

    def begin(self, scope: Scope, fingerprint: Fingerprint | None = None) -> XtablesReading:
        return XtablesReading(self.part, fingerprint)

    def follow(self, scope: Scope, fingerprint: Fingerprint, last: Reading[State] | None = None) -> Reading[State]:
        known = last if isinstance(last, XtablesReading) else None
        return XtablesReading(self.part, fingerprint, repeated=True, last=known)

    def live_only(self, state: State) -> object:
        return {"variant": state.variant, "held": state.held, "foreign": state.foreign}

    def foreign(self, live_only: object) -> Iterator[str]:
        return foreign_chains(self.part, _foreign(live_only))

    def with_live_only(self, state: State, live_only: object) -> State:
        if not isinstance(live_only, dict):
            return state
        held = tuple(ForeignJump(*held) for held in live_only["held"])
        return replace(state, variant=live_only["variant"], held=held, foreign=_foreign(live_only))

    def changes(self, live: State, wanted: State) -> Iterator[Change]:
        return changes.changes(self.part, live, wanted, meaning(wanted.prefix or live.prefix))

    def steps(self, live: State, wanted: State, scope: Scope, transition: Transition) -> list[Step]:
        """Return one step, and a second one where the variant that is not used holds chains of svcc."""
        if live == wanted:
            return []
        used = wanted.variant or live.variant or default(self.part)
        have, want = _by_variant(live, live.variant or used), _by_variant(wanted, used)
        order, foreign = table_order(transition), frozenset((*live.foreign, *wanted.foreign))
        loads = [
            Load(self.part, variant, have[variant], want[variant], scope, meaning(scope.prefix), order, foreign)
            for variant in (used, other(used))
            if have[variant] != want[variant]
        ]
        return [self._step(load) for load in loads]

    def dump(self, state: State) -> object:
        return dump_state(state)

    def load(self, data: object) -> State:
        return load_state(data)

    def obstacles(self, live: State, wanted: State, scope: Scope) -> Iterator[str]:
        made = [one for one in live.foreign if one.chain in wanted.tables.get(one.table, Table()).chains]
        yield from foreign_chains(self.part, made)
        yield from self.in_use(live, wanted)

    def in_use(self, live: State, wanted: State) -> Iterator[str]:
        for held, _ in _in_use(live, wanted):
            yield f"{self._said(held)} leads to a chain that goes away"

    def leaving_used(self, live: State, wanted: State) -> tuple[State, tuple[str, ...]]:
        found = [*_in_use(live, wanted)]
        tables = _with_empty(wanted.tables, [(held.table, chain) for held, chain in found if not held.stray])
        strays = _with_empty(wanted.strays, [(held.table, chain) for held, chain in found if held.stray])
        left = replace(wanted, tables=tables, strays=strays) if found else wanted
        return left, tuple(f"chain {chain} stays, empty, as {self._said(held)} leads to it" for held, chain in found)

    def _said(self, held: ForeignJump) -> str:
        return f"`{self.part} -t {held.table} -A {held.chain} {held.rule}`"

    def routes(self, state: State) -> Iterator[Route]:
        return routes.routes(_nat(state.tables), meaning(state.prefix))

    def tracks(self, state: State) -> set[int]:
        return set() if state.empty else {self.version}

    def serves(self, state: State, frontends: Frontends) -> Frontends:
        if len(frontends) > _FEW:
            return super().serves(state, frontends)
        return routes.served(_nat(state.tables), meaning(state.prefix), frontends) if frontends else frontends

    def gone_routes(self, live: State, wanted: State) -> Routes:
        """Return what the base class does, without making the routes of chains that do not change."""
        before, after = _nat(live.tables), _nat(wanted.tables)
        return Routes() if before == after else routes.routes_gone(before, after, meaning(wanted.prefix or live.prefix))

    def _step(self, load: Load) -> Step:
        delta = load.delta
        return Step(Phase.RULES, self.part, delta.title, delta.atomic, len(delta.lines), load.run, load.check)


def _foreign(live_only: object) -> tuple[ForeignChain, ...]:
    return tuple(ForeignChain(*one) for one in live_only.get("foreign", ())) if isinstance(live_only, dict) else ()


def _in_use(live: State, wanted: State) -> Iterator[tuple[ForeignJump, str]]:
    """Yield the rules of others that lead to chains that go away, each with the chain."""
    for held in live.held:
        present, kept = (
            (state.strays if held.stray else state.tables).get(held.table, Table()).chains for state in (live, wanted)
        )
        chain = leads_to(held.rule)
        if chain is not None and chain in present and chain not in kept:
            yield held, chain


def _with_empty(tables: Tables, chains: Iterable[tuple[str, str]]) -> Tables:
    """Return tables with empty chains more; each is given as its table and its name."""
    found = dict(tables)
    for table, chain in chains:
        held = found.get(table, Table())
        found[table] = replace(held, chains={**held.chains, chain: ()})
    return found


def _by_variant(state: State, used: str) -> dict[str, Tables]:
    return {used: state.tables, other(used): state.strays}


def _nat(tables: Tables) -> Table:
    return tables.get("nat", Table())


class IptablesDriver(XtablesDriver):
    """The driver of the rules of IPv4."""

    part: ClassVar[str] = "iptables"
    version = 4


class Ip6tablesDriver(XtablesDriver):
    """The driver of the rules of IPv6."""

    part: ClassVar[str] = "ip6tables"
    version = 6

"""The driver of nft, for our tables, one for each address family. A step changes both in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

from svcc.apply.driver import Driver, Fingerprint, Reading, Transition
from svcc.apply.nft import changes, foreign, routes, switching
from svcc.apply.scope import Scope
from svcc.kernel import tools
from svcc.kernel.nft import generation, tool
from svcc.kernel.nft.netlink import PART
from svcc.kernel.nft.reading import read_document, read_listing
from svcc.kernel.nft.record import dump, load
from svcc.kernel.nft.state import FAMILIES, NftState
from svcc.kernel.routes import Route, Routes
from svcc.kernel.steps import Change, Step


class NftReading(Reading[NftState]):
    """A reading of our tables. Where the kernel's generation number is that of the fingerprint, nothing is listed."""

    def __init__(self, scope: Scope, fingerprint: Fingerprint | None) -> None:
        self._began = threading.get_ident(), generation.transactions()
        self._mark = generation.mark()
        known = fingerprint is not None and self.matches(fingerprint, scope)
        self._listings = None if known else _listings(scope)

    def state(self, scope: Scope, wanted: NftState) -> NftState:
        texts = {family: listing.text() for family, listing in self._listed(scope).items()}
        with tools.understood(PART, "nft"):
            tables = {family: read_listing(text) for family, text in texts.items() if text is not None}
        return NftState(tables) if any(scope.texts(PART)) else foreign.own_tables(tables)

    def matches(self, fingerprint: Fingerprint, scope: Scope) -> bool:
        return bool(fingerprint.mark) and fingerprint.mark == self._mark

    def mark(self) -> str:
        if self._listings is not None:
            for listing in self._listings.values():
                listing.data()
        return self._mark if generation.mark() == self._mark else ""

    def mark_after(self) -> str:
        thread, count = self._began
        if not self._mark or thread != threading.get_ident():
            return ""
        expected = generation.later(self._mark, generation.transactions() - count)
        return expected if generation.mark() == expected else ""

    def _listed(self, scope: Scope) -> dict[str, tool.Listing]:
        if self._listings is None:
            self._listings = _listings(scope)
        return self._listings


def _listings(scope: Scope) -> dict[str, tool.Listing]:
    return {family: tool.Listing("table", family, scope.table) for family in FAMILIES}


class NftDriver(Driver[NftState]):
    """The driver of our nft tables."""

    part = PART
    translates = True
    has_fingerprint = True

    def from_target(self, state: object) -> NftState | None:
        return state if isinstance(state, NftState) else None

    def parse(self, text: str, scope: Scope) -> NftState:
        return read_document(text, scope.table)

    def read(self, scope: Scope, wanted: NftState) -> NftState:
        return self.begin(scope).state(scope, wanted)

    def begin(self, scope: Scope, fingerprint: Fingerprint | None = None) -> NftReading:
        return NftReading(scope, fingerprint)

    def changes(self, live: NftState, wanted: NftState) -> Iterator[Change]:
        return changes.changes(live, wanted)

    def steps(self, live: NftState, wanted: NftState, scope: Scope, transition: Transition) -> list[Step]:
        return switching.steps(live, wanted, taking_over=transition.old not in (None, transition.new))

    def obstacles(self, live: NftState, wanted: NftState, scope: Scope) -> Iterator[str]:
        return (why for family, why in live.foreign.items() if family in wanted.tables)

    def live_only(self, state: NftState) -> object:
        return {"foreign": dict(state.foreign)}

    def with_live_only(self, state: NftState, live_only: object) -> NftState:
        return replace(state, foreign=_foreign(live_only))

    def foreign(self, live_only: object) -> Iterator[str]:
        return iter(_foreign(live_only).values())

    def dump(self, state: NftState) -> object:
        return dump(state)

    def load(self, data: object) -> NftState:
        return load(data)

    def routes(self, state: NftState) -> Iterator[Route]:
        return routes.routes(state)

    def tracks(self, state: NftState) -> set[int]:
        return {6 if family == "ip6" else 4 for family in state.tables}

    def gone_routes(self, live: NftState, wanted: NftState) -> Routes:
        return routes.gone_routes(live, wanted)


def _foreign(live_only: object) -> dict[str, str]:
    return dict(live_only.get("foreign", ())) if isinstance(live_only, dict) else {}


DRIVER = NftDriver()

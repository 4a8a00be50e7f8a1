"""The nft driver: our two tables, changed in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from svcc.apply.driver import Driver, Reading, Transition
from svcc.apply.nft import changes, foreign, routes, switching, tool
from svcc.apply.nft.abridged import abridged
from svcc.apply.nft.fingerprint import fingerprint
from svcc.apply.nft.netlink import PART
from svcc.apply.nft.reading import read_document, read_listing
from svcc.apply.nft.reading_back import read_changed
from svcc.apply.nft.state import FAMILIES, NftState, dump, load
from svcc.apply.scope import Scope
from svcc.apply.steps import Change, Route, Step


class NftReading(Reading[NftState]):
    """Our tables, listed."""

    def __init__(self, scope: Scope) -> None:
        self._listings = {family: tool.Listing("table", family, scope.table) for family in FAMILIES}

    def state(self, scope: Scope, wanted: NftState) -> NftState:
        texts = {family: listing.text() for family, listing in self._listings.items()}
        return NftState({family: read_listing(text) for family, text in texts.items() if text is not None})

    def fingerprint(self, scope: Scope) -> str:
        return fingerprint(listing.data() for listing in self._listings.values())


class NftDriver(Driver[NftState]):
    part = PART

    def parse(self, text: str, scope: Scope) -> NftState:
        return read_document(text, scope.table)

    def read(self, scope: Scope, wanted: NftState) -> NftState:
        return self.begin(scope).state(scope, wanted)

    def begin(self, scope: Scope) -> NftReading:
        return NftReading(scope)

    def told_apart(self, old: str, new: str, scope: Scope) -> tuple[NftState, NftState] | None:
        pair = abridged(old, new)
        return None if pair is None else (self.parse(pair[0], scope), self.parse(pair[1], scope))

    def read_changed(self, scope: Scope, live: NftState, wanted: NftState) -> NftState | None:
        return read_changed(live, wanted)

    def changes(self, live: NftState, wanted: NftState) -> Iterator[Change]:
        return changes.changes(live, wanted)

    def steps(self, live: NftState, wanted: NftState, scope: Scope, transition: Transition) -> list[Step]:
        return switching.steps(live, wanted)

    def obstacles(self, live: NftState, wanted: NftState, scope: Scope) -> Iterator[str]:
        return foreign.foreign(live) if not scope.bundles else iter(())

    def dump(self, state: NftState) -> Any:
        return dump(state)

    def load(self, data: Any) -> NftState:
        return load(data)

    def routes(self, state: NftState) -> Iterator[Route]:
        return routes.routes(state)

    def left(self, live: NftState, wanted: NftState) -> set[Route]:
        return routes.left(live, wanted)


DRIVER = NftDriver()

"""The driver of ipset's sets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from svcc.apply.driver import Driver, Transition
from svcc.apply.foreign import OwnSets, foreign_sets, own_sets
from svcc.apply.scope import Scope
from svcc.kernel.ipset import asking, difference, loading
from svcc.kernel.ipset.meaning import CombinedMeaning, Meaning
from svcc.kernel.ipset.reading import read_sets
from svcc.kernel.ipset.sets import Sets, dump_sets, load_sets, parse_sets
from svcc.kernel.steps import Change, Step
from svcc.targets import targets


def meaning() -> Meaning:
    """Return what our sets are for, as the targets say."""
    return CombinedMeaning(target.sets for target in targets().values() if target.sets is not None)


class IpsetDriver(Driver[Sets]):
    """The driver of all sets under our prefix."""

    part: ClassVar[str] = difference.PART
    can_ask = True

    def from_target(self, state: object) -> Sets | None:
        return state if isinstance(state, dict) else None

    def parse(self, text: str, scope: Scope) -> Sets:
        return parse_sets(text)

    def read(self, scope: Scope, wanted: Sets) -> Sets:
        return own_sets(read_sets(scope), scope)

    def ask(self, have: Sets, want: Sets, scope: Scope) -> Sets:
        return asking.ask(have, want)

    def changes(self, live: Sets, wanted: Sets) -> Iterator[Change]:
        return difference.changes(live, wanted, meaning())

    def steps(self, live: Sets, wanted: Sets, scope: Scope, transition: Transition) -> list[Step]:
        return loading.steps(live, wanted, meaning(), scope)

    def obstacles(self, live: Sets, wanted: Sets, scope: Scope) -> Iterator[str]:
        return foreign_sets([name for name in _foreign(live) if name in wanted])

    def live_only(self, state: Sets) -> object:
        return {"foreign": [*_foreign(state)]}

    def foreign(self, live_only: object) -> Iterator[str]:
        return foreign_sets(live_only.get("foreign", ()) if isinstance(live_only, dict) else ())

    def dump(self, state: Sets) -> object:
        return dump_sets(state)

    def load(self, data: object) -> Sets:
        return load_sets(data)


def _foreign(live: Sets) -> tuple[str, ...]:
    return live.foreign if isinstance(live, OwnSets) else ()

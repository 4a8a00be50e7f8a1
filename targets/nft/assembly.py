"""The tables of both families, kept up to date service by service."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from svcc.compiler import ir
from svcc.kernel.nft.document import document
from svcc.kernel.nft.state import NftState
from svcc.targets import vip_device
from svcc.targets.interface import Artifact, Assembly, Bundle, Difference, Shared
from svcc.targets.nft.contribution import NftContribution, contribution
from svcc.targets.nft.keys import FAMILIES, Key
from svcc.targets.nft.limits import table_name
from svcc.targets.nft.parts import PART
from svcc.targets.nft.table import Touched, table
from svcc.targets.nft.total import Total


class NftAssembly(Assembly):
    """See :class:`svcc.targets.interface.Assembly`."""

    def __init__(self, target: str, shared: Shared) -> None:
        self._target, self._shared = target, shared
        self._name = table_name(shared.cluster)
        self._totals = {family.version: Total(family, shared) for family in FAMILIES}
        self._contributions: dict[str, NftContribution] = {}
        self._state: NftState | None = None  # the whole state, where it was needed since the last change

    def update(self, services: Mapping[str, ir.Service | None]) -> Mapping[str, Difference]:
        known = (self._contributions.get(name) for name in services)
        announce = any(one and one.announced for one in known) or any(
            one and one.announced for one in services.values()
        )
        before = self._device() if announce else ()
        found = {PART.name: self._update(services)}
        for one, other in zip(before, self._device() if announce else (), strict=True):
            if one.state != other.state:
                found[one.part.name] = Difference(one.state, other.state)
        return found

    def _update(self, services: Mapping[str, ir.Service | None]) -> Difference:
        """Change services, and return what that changes in the rules."""
        old = {name: known for name in services if (known := self._contributions.get(name)) is not None}
        new = {name: contribution(self._shared, it) for name, it in services.items() if it is not None}
        if not self._contributions:  # all services are new
            without = self.state
            self._take(old, new)
            return Difference(without, self.state)
        touched, asked = self._touched((*old.values(), *new.values())), self._shared_sets()
        before = self._excerpt(_in_order(old), touched)
        self._take(old, new)
        if self._shared_sets() != asked:  # whole sets come or go, with elements of other services
            self._take(new, old)
            whole = self.state
            self._take(old, new)
            return Difference(whole, self.state)
        return Difference(before, self._excerpt(_in_order(new), touched))

    def move(self, shared: Shared, services: Mapping[str, ir.Service]) -> None:
        self._shared = shared
        old = {name: self._contributions[name] for name in services}
        self._take(old, {name: contribution(shared, one) for name, one in services.items()})

    def bundle(self) -> Bundle:
        rules = Artifact(PART, document(self.state, self._name), self.state)
        node = self._shared.node
        return Bundle(self._target, node.name if node else None, (rules, *self._device()))

    def _device(self) -> tuple[Artifact, ...]:
        """Return the parts of the device that holds the announced addresses."""
        announced = {address for one in self._contributions.values() for address in one.announced}
        return vip_device.announcing(self._shared.cluster, announced)

    @property
    def state(self) -> NftState:
        """The state with all services."""
        if self._state is None:
            self._state = self._excerpt(self._contributions.values(), None)
        return self._state

    def _take(self, old: Mapping[str, NftContribution], new: Mapping[str, NftContribution]) -> None:
        self._state = None
        for going in old.values():
            for version, part in going.parts.items():
                self._totals[version].remove(part)
        for coming in new.values():
            for version, part in coming.parts.items():
                self._totals[version].add(part)
        for name in old.keys() - new.keys():
            del self._contributions[name]
        more = new.keys() - self._contributions.keys()
        self._contributions.update(new)
        if more:
            self._contributions = {name: self._contributions[name] for name in sorted(self._contributions)}

    def _shared_sets(self) -> list[tuple[bool, list[Key]]]:
        """Return which sets exist because of some services but hold elements of others too."""
        return [
            (total.serves_nodeports, [key for key in total.sorted_keys if total.declares(key)])
            for total in self._totals.values()
        ]

    def _touched(self, changed: Iterable[NftContribution]) -> Mapping[int, Touched]:
        touched = {version: Touched() for version in self._totals}
        for one in changed:
            for version, part in one.parts.items():
                touched[version].add(part)
        return touched

    def _excerpt(self, contributions: Collection[NftContribution], touched: Mapping[int, Touched] | None) -> NftState:
        """Return the state with only these contributions. ``touched``: see :func:`svcc.targets.nft.table.table`."""
        tables = {}
        for version, total in self._totals.items():
            parts = [one.parts[version] for one in contributions if version in one.parts]
            made = table(self._name, total, parts, None if touched is None else touched[version])
            if made is not None:
                tables[total.family.table] = made
        return NftState(tables)


def _in_order(contributions: Mapping[str, NftContribution]) -> list[NftContribution]:
    return [contributions[name] for name in sorted(contributions)]

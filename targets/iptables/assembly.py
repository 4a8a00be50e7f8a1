"""The scripts of both families, kept up to date service by service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from svcc.compiler import ir
from svcc.kernel.xtables.state import State, script_text
from svcc.targets import vip_device
from svcc.targets.interface import Artifact, Assembly, Bundle, Difference, Part, Shared
from svcc.targets.iptables import contribution as contributions
from svcc.targets.iptables.contribution import IptablesContribution, contribution
from svcc.targets.iptables.family import Family
from svcc.targets.iptables.names import Names
from svcc.targets.iptables.parts import SCRIPTS
from svcc.targets.iptables.script import entries


class IptablesAssembly(Assembly):
    """See :class:`svcc.targets.interface.Assembly`."""

    def __init__(self, target: str, shared: Shared) -> None:
        self._target, self._shared = target, shared
        self._families = {version: Family(shared, version) for version in SCRIPTS}
        self._contributions: dict[str, IptablesContribution] = {}

    def update(self, services: Mapping[str, ir.Service | None]) -> Mapping[str, Difference]:
        old = {name: known for name in services if (known := self._contributions.get(name)) is not None}
        new = {name: contribution(self._shared, it) for name, it in services.items() if it is not None}
        announce = any(one.announced for one in (*old.values(), *new.values()))
        before = self._device() if announce else ()
        found = {}
        for version, part in SCRIPTS.items():
            going, coming = _of(version, old), _of(version, new)
            if going or coming:
                found[part.name] = self._difference(version, going, coming)
        for name in services:
            self._contributions.pop(name, None)
        self._contributions.update(new)
        for one, other in zip(before, self._device() if announce else (), strict=True):
            if one.state != other.state:
                found[one.part.name] = Difference(one.state, other.state)
        return found

    def move(self, shared: Shared, services: Mapping[str, ir.Service]) -> None:
        self._shared = shared
        old = {name: self._contributions[name] for name in services}
        new = {name: contribution(shared, one) for name, one in services.items()}
        for version, family in self._families.items():
            family.move(shared)
            family.take(_of(version, old), _of(version, new))
        self._contributions.update(new)

    def _difference(
        self,
        version: int,
        going: list[contributions.FamilyContribution],
        coming: list[contributions.FamilyContribution],
    ) -> Difference:
        family, parts = self._families[version], (*going, *coming)
        if not self._contributions:  # all services are new
            without = self._state(version)
            family.take(going, coming)
            return Difference(without, self._state(version))
        shape, before = family.shape, self._state(version, parts)
        local = family.take(going, coming)
        if not local or family.shape != shape:  # chains of other services change as well
            family.take(coming, going)
            before = self._state(version)
            family.take(going, coming)
            return Difference(before, self._state(version))
        return Difference(before, self._state(version, parts))

    def _state(self, version: int, parts: Iterable[contributions.FamilyContribution] | None = None) -> State:
        tables = self._families[version].tables(None if parts is None else tuple(parts))
        return State(tables, prefix=self._shared.cluster.prefix)

    def bundle(self) -> Bundle:
        node = self._shared.node
        rules = (self._artifact(version, part) for version, part in SCRIPTS.items())
        return Bundle(self._target, node.name if node else None, (*rules, *self._device()))

    def _artifact(self, version: int, part: Part) -> Artifact:
        state = self._state(version)
        names = Names(self._shared.cluster.prefix)
        return Artifact(part, script_text(state, {table: entries(table, names) for table in state.tables}), state)

    def _device(self) -> tuple[Artifact, ...]:
        """Return the parts of the device that holds the announced addresses."""
        announced = {address for one in self._contributions.values() for address in one.announced}
        return vip_device.announcing(self._shared.cluster, announced)


def _of(version: int, some: Mapping[str, IptablesContribution]) -> list[contributions.FamilyContribution]:
    return [one.parts[version] for one in some.values() if version in one.parts]

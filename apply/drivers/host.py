"""The drivers of kernel modules and of kernel parameters (sysctl)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from svcc.apply.driver import Driver, Transition
from svcc.apply.scope import Scope
from svcc.kernel.modules import loading as modules
from svcc.kernel.modules.names import PART as MODULES
from svcc.kernel.modules.names import Modules, parse_modules
from svcc.kernel.steps import Change, Step
from svcc.kernel.sysctl import loading as sysctl
from svcc.kernel.sysctl.settings import PART as SYSCTL
from svcc.kernel.sysctl.settings import Parameters, parse_parameters


class ModulesDriver(Driver[Modules]):
    """The driver of kernel modules. It unloads none, as others may use them too."""

    part: ClassVar[str] = MODULES
    can_ask = True
    unowned = True

    def from_target(self, state: object) -> Modules | None:
        return state if isinstance(state, frozenset) else None

    def parse(self, text: str, scope: Scope) -> Modules:
        return parse_modules(text)

    def read(self, scope: Scope, wanted: Modules) -> Modules:
        return modules.read_modules(wanted)

    def ask(self, have: Modules, want: Modules, scope: Scope) -> Modules:
        return self.read(scope, want)

    def changes(self, live: Modules, wanted: Modules) -> Iterator[Change]:
        return modules.changes(live, wanted)

    def steps(self, live: Modules, wanted: Modules, scope: Scope, transition: Transition) -> list[Step]:
        return modules.steps(live, wanted)

    def dump(self, state: Modules) -> object:
        return sorted(state)

    def load(self, data: object) -> Modules:
        if not isinstance(data, list):
            raise TypeError(f"{data!r} is no list of modules")
        return frozenset(data)


class SysctlDriver(Driver[Parameters]):
    """The driver of kernel parameters. A state holds their values by key."""

    part: ClassVar[str] = SYSCTL
    unowned = True

    def from_target(self, state: object) -> Parameters | None:
        return state if isinstance(state, dict) else None

    def parse(self, text: str, scope: Scope) -> Parameters:
        return parse_parameters(text)

    def read(self, scope: Scope, wanted: Parameters) -> Parameters:
        return sysctl.read_parameters(wanted)

    def changes(self, live: Parameters, wanted: Parameters) -> Iterator[Change]:
        return sysctl.changes(live, wanted)

    def steps(self, live: Parameters, wanted: Parameters, scope: Scope, transition: Transition) -> list[Step]:
        return sysctl.steps(live, wanted)

    def dump(self, state: Parameters) -> object:
        return dict(state)

    def load(self, data: object) -> Parameters:
        if not isinstance(data, dict):
            raise TypeError(f"{data!r} is no object of parameters")
        return data

"""Kernel modules: those that are wanted are loaded, and none is ever unloaded, since others may use them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from svcc.apply.driver import Driver, Transition
from svcc.apply.rehearsal import built_in, missing_modules
from svcc.apply.scope import Scope
from svcc.kernel import tools
from svcc.kernel.steps import Change, End, Phase, Step, StepError, Verb, counted

Modules: TypeAlias = frozenset[str]


class ModulesDriver(Driver[Modules]):
    """modules-load.d(5) as modprobe(8) loads it. A live state is what is there of the wanted modules."""

    part: ClassVar[str] = "modules"

    def parse(self, text: str, scope: Scope) -> Modules:
        lines = (line.strip() for line in text.splitlines())
        return frozenset(line for line in lines if line and line[0] not in "#;")

    def read(self, scope: Scope, wanted: Modules) -> Modules:
        return frozenset(filter(_is_there, wanted))

    def changes(self, live: Modules, wanted: Modules) -> Iterator[Change]:
        for name in sorted(wanted - live):
            yield _loaded(name)

    def steps(self, live: Modules, wanted: Modules, scope: Scope, transition: Transition) -> list[Step]:
        names = sorted(wanted - live)
        if not names:
            return []
        title = f"{counted(len(names), 'module')} loaded"
        return [Step(Phase.MODULES, self.part, title, False, len(names), lambda: _load(names), lambda: _check(names))]

    def dump(self, state: Modules) -> Any:
        return sorted(state)

    def load(self, data: Any) -> Modules:
        return frozenset(data)


def _loaded(name: str) -> Change:
    return Change(Verb.ADD, "modules", "module", name)


def _is_there(name: str) -> bool:
    """Whether the kernel has a module, loaded or built in: nothing of it is left to insert."""
    if Path("/sys/module", name).exists() or built_in(name):
        return True
    try:
        shown = tools.run(["modprobe", "--show-depends", name])
    except FileNotFoundError:
        return False
    if shown.end is not End.REFUSED:
        raise shown.error("modules", reading=True)
    return shown.returncode == 0 and "insmod " not in shown.stdout


def _check(names: list[str]) -> None:
    for name in missing_modules(names):
        raise StepError("modules", f"this kernel has no module {name}", culprit=_loaded(name), line=name)


def _load(names: list[str]) -> None:
    for name in names:
        done = tools.attempt("modules", ["modprobe", name])
        if done.returncode:
            raise done.error("modules", culprit=_loaded(name), line=name)

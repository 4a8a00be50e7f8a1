"""Find which modules the kernel has, and load wanted ones. None is ever unloaded, since others may use them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from svcc.kernel import tools
from svcc.kernel.modules.names import PART, Modules
from svcc.kernel.steps import Change, Phase, Step, StepError, ToolEnd, Verb, counted

#: Modules that are not in /sys/module where they are built in, each with a file that shows that the kernel has it.
_SHOWN = {"ip_vs": "/proc/net/ip_vs", "nf_conntrack": "/proc/sys/net/netfilter/nf_conntrack_max"}


# -- reading ----------------------------------------------------------------------------------------------------------


def read_modules(wanted: Modules) -> Modules:
    """Return the wanted modules that are loaded or built in. Errors: StepError."""
    return frozenset(filter(_is_loaded, wanted))


def _is_loaded(name: str) -> bool:
    if _is_shown(name):
        return True
    try:
        shown = tools.run(["modprobe", "--show-depends", name])
    except FileNotFoundError:
        return False
    if shown.end is not ToolEnd.REFUSED:
        raise shown.error(PART, reading=True)
    return shown.returncode == 0 and "insmod " not in shown.stdout


def missing(names: Collection[str]) -> list[str]:
    """Return the modules that the kernel neither has nor could load with modprobe(8). Errors: StepError."""
    return [name for name in names if not _is_available(name)]


def _is_available(name: str) -> bool:
    if _is_shown(name):
        return True
    try:
        return tools.attempt(PART, ["modprobe", "--dry-run", "--quiet", name]).returncode == 0
    except StepError as error:
        if error.end is ToolEnd.MISSING:
            return False
        raise


def _is_shown(name: str) -> bool:
    """Whether files show that the kernel has a module; modprobe is not called for that."""
    return Path("/sys/module", name).exists() or (name in _SHOWN and Path(_SHOWN[name]).exists())


# -- difference and loading -------------------------------------------------------------------------------------------


def changes(live: Modules, wanted: Modules) -> Iterator[Change]:
    """Yield a change for each module that is to be loaded."""
    for name in sorted(wanted - live):
        yield _change(name)


def _change(name: str) -> Change:
    return Change(Verb.ADD, PART, "module", name)


def steps(live: Modules, wanted: Modules) -> list[Step]:
    """Return the step that loads the missing modules, alone in a list; an empty list where none is missing."""
    names = sorted(wanted - live)
    if not names:
        return []
    title = f"{counted(len(names), 'module')} loaded"
    return [Step(Phase.MODULES, PART, title, False, len(names), lambda: _load(names), lambda: _check(names))]


def _check(names: list[str]) -> None:
    for name in missing(names):
        raise StepError(PART, f"this kernel has no module {name}", culprit=_change(name), line=name)


def _load(names: list[str]) -> None:
    for name in names:
        done = tools.attempt(PART, ["modprobe", name])
        if done.returncode:
            raise done.error(PART, culprit=_change(name), line=name)

"""Reading parameters, and the step between two states of them.

They are nobody's: those that are wanted are read and set, and nothing is undone but by going back to an earlier state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from svcc.kernel.steps import Change, Phase, Step, StepError, Verb, counted
from svcc.kernel.sysctl.settings import PART, Parameters, as_written

#: What brings the keys that not every kernel has.
_MODULES = {"net.ipv4.vs.": "ip_vs", "net.netfilter.nf_conntrack": "nf_conntrack", "net.ipv6.": "ipv6"}
#: Values that do what another does and more (ip-sysctl.rst). Where somebody wanted more, it stays.
_STRICTER = {("net.ipv4.conf.all.arp_ignore", "1"): frozenset({"2", "8"})}


# -- reading ----------------------------------------------------------------------------------------------------------


def read_parameters(wanted: Parameters) -> dict[str, str | None]:
    """The values of the keys that are wanted, a stricter one taken for the one that is wanted. Errors: StepError.

    Below net/ they are those of the calling thread's network namespace.
    """
    return {key: None if value is None else _read(key, value) for key, value in wanted.items()}


def _read(key: str, wanted: str) -> str | None:
    try:
        value = as_written(_path(key).read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StepError(PART, f"cannot read {key}: {error.strerror}", line=key, reading=True) from error
    return wanted if value in _STRICTER.get((key, wanted), ()) else value


def _path(key: str) -> Path:
    """A key's file: dots and slashes are exchanged (sysctl(8))."""
    return Path("/proc/sys", key.translate(str.maketrans("./", "/.")))


# -- difference -------------------------------------------------------------------------------------------------------


def changes(live: Parameters, wanted: Parameters) -> Iterator[Change]:
    """The values that are set."""
    for key, value in _differing(live, wanted).items():
        yield _change(key, live.get(key), value)


def _differing(live: Parameters, wanted: Parameters) -> dict[str, str]:
    return {key: value for key, value in wanted.items() if value is not None and live.get(key) != value}


def _change(key: str, before: str | None, after: str) -> Change:
    if before is None:
        return Change(Verb.ADD, PART, "value", f"{key} = {after}")
    return Change(Verb.CHANGE, PART, "value", key, before, after)


# -- loading ----------------------------------------------------------------------------------------------------------


def steps(live: Parameters, wanted: Parameters) -> list[Step]:
    """One step, or none."""
    values = _differing(live, wanted)
    if not values:
        return []
    title = f"{counted(len(values), 'value')} set"

    def run() -> None:
        for key, value in values.items():
            _write(key, value, _change(key, live.get(key), value))

    return [Step(Phase.SYSCTLS, PART, title, len(values) == 1, len(values), run, lambda: _check(values))]


def _write(key: str, value: str, change: Change) -> None:
    line = f"{key} = {value}"
    try:
        with open(_path(key), "w") as file:  # not created: sysfs has no such thing, and says ENOENT or EACCES
            file.write(value)
    except OSError as error:
        words = error.strerror if _path(key).exists() else _absent(key)
        raise StepError(PART, f"cannot set {line}: {words}", culprit=change, line=line) from error


def _absent(key: str) -> str:
    module = next((module for start, module in _MODULES.items() if key.startswith(start)), None)
    return f"the kernel has no such key{f'; module {module} brings it' if module else ''}"


def _check(values: Mapping[str, str]) -> None:
    """Keys that a module brings may come with the module, which is loaded before; the others must be there."""
    for key, value in values.items():
        if not key.startswith(tuple(_MODULES)) and not _path(key).exists():
            line = f"{key} = {value}"
            raise StepError(PART, f"cannot set {line}: {_absent(key)}", culprit=_change(key, None, value), line=line)

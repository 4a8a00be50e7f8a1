"""Read kernel parameters, and give the step between two states of them.

Parameters belong to nobody. svcc reads and sets only the wanted ones, and changes one back only when it goes back to an
earlier state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from svcc.kernel.steps import Change, Phase, Step, StepError, Verb, counted
from svcc.kernel.sysctl.settings import PART, Parameters, as_written

#: The modules that bring keys which not every kernel has, by how these keys begin.
_MODULES = {"net.ipv4.vs.": "ip_vs", "net.netfilter.nf_conntrack": "nf_conntrack", "net.ipv6.": "ipv6"}
#: For a key and a wanted value, the stricter values, which do the same and more (ip-sysctl.rst). These are left alone.
_STRICTER = {("net.ipv4.conf.all.arp_ignore", "1"): frozenset({"2", "8"})}


# -- reading ----------------------------------------------------------------------------------------------------------


def read_parameters(wanted: Parameters) -> dict[str, str | None]:
    """Return the values of the wanted keys. A stricter value than the wanted one is given as the wanted one.

    Keys below net/ are those of the calling thread's network namespace. Errors: StepError.
    """
    return {key: None if value is None else _read(key, value) for key, value in wanted.items()}


def value_of(key: str) -> str:
    """Return the value of a key; "" where it cannot be read. Its namespace is as of :func:`read_parameters`."""
    try:
        return as_written(_path(key).read_text())
    except OSError:
        return ""


def _read(key: str, wanted: str) -> str | None:
    try:
        value = as_written(_path(key).read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StepError(PART, f"cannot read {key}: {error.strerror}", line=key, reading=True) from error
    return wanted if value in _STRICTER.get((key, wanted), ()) else value


def _path(key: str) -> Path:
    """Return the file of a key, in which dots and slashes are exchanged (sysctl(8))."""
    return Path("/proc/sys", key.translate(str.maketrans("./", "/.")))


# -- difference -------------------------------------------------------------------------------------------------------


def changes(live: Parameters, wanted: Parameters) -> Iterator[Change]:
    """Yield a change for each value that is to be set."""
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
    """Return the step that sets the values that differ, alone in a list; an empty list where none differs."""
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
        with open(_path(key), "w") as file:  # /proc/sys creates no file: it answers ENOENT or EACCES for a missing key
            file.write(value)
    except OSError as error:
        words = error.strerror if _path(key).exists() else _absent(key)
        raise StepError(PART, f"cannot set {line}: {words}", culprit=change, line=line) from error


def _absent(key: str) -> str:
    module = next((module for start, module in _MODULES.items() if key.startswith(start)), None)
    return f"the kernel has no such key{f'; module {module} brings it' if module else ''}"


def _check(values: Mapping[str, str]) -> None:
    """Check that the kernel has the keys. Keys that a module brings may be missing still: the module is loaded before
    they are set. Errors: StepError."""
    for key, value in values.items():
        if not key.startswith(tuple(_MODULES)) and not _path(key).exists():
            line = f"{key} = {value}"
            raise StepError(PART, f"cannot set {line}: {_absent(key)}", culprit=_change(key, None, value), line=line)

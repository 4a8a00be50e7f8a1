"""nft, in the network namespace of the calling thread: the library for large changes of rules, else the program.

Both are run as processes of their own. nft 1.0.6 dies by SIGSEGV where it meets a set that a newer release made, in a
container for instance: the types in its user data are more than it knows (``netlink_delinearize_set``). Listing a table
of ours asks the kernel for that table's sets alone, but before most other commands libnftables asks for everybody's
(``nft_cache_evaluate``), unless the last of them is a listing: then for those of the listed table. So where a
transaction kills it, the same commands are given once more, each family's by themselves, and each with such an end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from svcc.kernel import tools
from svcc.kernel.json_values import Json, members, string
from svcc.kernel.nft import generation, netlink, worker
from svcc.kernel.nft.netlink import PART
from svcc.kernel.steps import ToolEnd

_ABSENT = "No such file or directory"
#: What errors in a JSON document begin with, having no position.
_NOWHERE = "internal:0:0-0: Error: "
#: So many commands are given to the program where there is one: it starts in a tenth of the time that Python takes.
_FEW = 1_000


def installed() -> bool:
    """Whether the program ``nft`` is there."""
    return tools.find("nft") is not None


class Listing:
    """A listing under way, as JSON, with numbers for words (it takes a third less time): of ``table FAMILY NAME``, or
    of ``set`` or ``map FAMILY TABLE NAME``."""

    def __init__(self, *what: str) -> None:
        self._what = what
        self._running = tools.Running(["nft", "-n", "-j", "list", *what]) if installed() else None

    def data(self) -> bytes | None:
        """Waits for it; None where there is no such thing, or no nft. Errors: StepError."""
        if self._running is None:
            return None
        done = self._running.ended
        if not done.returncode:
            return done.output
        if done.end is ToolEnd.REFUSED and _ABSENT in done.stderr:
            return None
        raise done.error(PART, _words(done), reading=True, line=f"list {' '.join(self._what)}")

    def text(self) -> str | None:
        """What :meth:`data` gives, as text. Bytes that are no UTF-8 can be in comments only, and are replaced."""
        data = self.data()
        return None if data is None else data.decode(errors="replace")


def list_set(family: str, table: str, name: str) -> str | None:
    """A set, listed. Errors: StepError."""
    return Listing("set", family, table, name).text()


def run(commands: Sequence[Json]) -> None:
    """Carry out commands of libnftables-json(5), all or none; of each family, where others' sets are what libnftables
    dies of. Errors: StepError."""
    _surviving(_change, commands)


def check(commands: Sequence[Json]) -> None:
    """Ask whether commands would be carried out. Errors: StepError."""
    _surviving(_try, commands)


#: Carries out commands, or tries them.
_Give: TypeAlias = Callable[[Sequence[Json]], tools.Done]


def _surviving(give: _Give, commands: Sequence[Json]) -> None:
    done = give(commands)
    if not done.crashed:
        _judge(done)
        return
    by_table: dict[tuple[str, str], list[Json]] = {}
    for command in commands:
        by_table.setdefault(_table_of(command), []).append(command)
    for (family, table), mine in by_table.items():
        place = {"family": family, "name": table}
        if mine[-1] != {"delete": {"table": place}}:
            _judge(give([*mine, {"list": {"table": place}}]))
        elif give is _change:
            netlink.delete_table(family, table)
            generation.count(1)


def _table_of(command: Json) -> tuple[str, str]:
    """Family and name of the table that a command is about."""
    ((_, body),) = members(command).items()
    ((kind, given),) = members(body).items()
    fields = members(given)
    return string(fields["family"]), string(fields["name" if kind == "table" else "table"])


def _change(commands: Sequence[Json]) -> tools.Done:
    done = _changed(commands)
    generation.count(not done.returncode)
    return done


def _changed(commands: Sequence[Json]) -> tools.Done:
    library = _library()
    if library is not None and (len(commands) > _FEW or not installed()):
        done = tools.run(library, _text(commands), name="libnftables")
        if done.returncode != worker.NO_LIBRARY:
            return done
    return _program(["nft", "-j", "-f", "-"], commands)


def _try(commands: Sequence[Json]) -> tools.Done:
    """The program's work: the library's binding cannot ask for a check."""
    return _program(["nft", "-c", "-j", "-f", "-"], commands)


@cache
def _library() -> tuple[str, ...] | None:
    """What runs libnftables in a process that starts quickly: Python without what svcc itself needs. None: there is no
    binding."""
    spec = find_spec("nftables")
    if spec is None or spec.origin is None:
        return None
    binding = Path(spec.origin).parent
    folder = binding.parent if spec.submodule_search_locations else binding
    return sys.executable, "-I", "-S", str(Path(worker.__file__)), str(folder)


def _program(words: Sequence[str], commands: Sequence[Json]) -> tools.Done:
    try:
        return tools.run(words, _text(commands))
    except FileNotFoundError as error:
        raise tools.missing(PART, "nft") from error


def _judge(done: tools.Done) -> None:
    if done.returncode:
        raise done.error(PART, _words(done))


def _text(commands: Sequence[Json]) -> str:
    return '{"nftables": [\n' + ",\n".join(map(json.dumps, commands)) + "\n]}\n"


def _words(done: tools.Done) -> str:
    """What nft said, each thing once."""
    said = (done.stderr or done.stdout).splitlines()
    lines = dict.fromkeys(line.removeprefix(_NOWHERE).strip() for line in said if line.strip())
    return "; ".join(lines)

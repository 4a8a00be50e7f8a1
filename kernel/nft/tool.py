"""Run nft in the network namespace of the calling thread: its library for large changes of rules, else the program.

Both are run as separate processes. nft 1.0.6 dies by SIGSEGV where it meets a set that a newer release made, in a
container for instance: it does not know the types in the set's user data (``netlink_delinearize_set``). To list one of
our tables, libnftables asks the kernel for that table's sets alone. Before most other commands it asks for everybody's
(``nft_cache_evaluate``), unless the last command is a listing: then it asks for the sets of the listed table. So where
a transaction kills nft, the same commands are given once more, for each family separately, with a listing at their end.
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
#: How errors in a JSON document begin, as they have no position.
_NOWHERE = "internal:0:0-0: Error: "
#: Up to so many commands go to the program, where there is one: it starts in a tenth of the time that Python takes.
_FEW = 1_000


def installed() -> bool:
    """Whether the program ``nft`` is installed."""
    return tools.find("nft") is not None


class Listing:
    """A listing that was begun, of ``table FAMILY NAME``, or of ``set`` or ``map FAMILY TABLE NAME``. It is in JSON,
    with numbers in place of words, which takes a third less time."""

    def __init__(self, *what: str) -> None:
        self._what = what
        absent = what[0] == "table" and netlink.lacks(*what[1:])
        self._running = tools.Running(["nft", "-n", "-j", "list", *what]) if installed() and not absent else None

    def data(self) -> bytes | None:
        """Wait for the listing, and return it; None where there is no such object, or no nft. Errors: StepError."""
        if self._running is None:
            return None
        done = self._running.ended
        if not done.returncode:
            return done.output
        if done.end is ToolEnd.REFUSED and _ABSENT in done.stderr:
            return None
        raise done.error(PART, _words(done), reading=True, line=f"list {' '.join(self._what)}")

    def text(self) -> str | None:
        """Return what :meth:`data` returns, as text. Bytes that are no UTF-8, which only comments can have, are
        replaced.

        Errors: StepError.
        """
        data = self.data()
        return None if data is None else data.decode(errors="replace")


def list_set(family: str, table: str, name: str) -> str | None:
    """Return the listing of a set; None where there is no such set, or no nft. Errors: StepError."""
    return Listing("set", family, table, name).text()


def run(commands: Sequence[Json]) -> None:
    """Carry out commands of libnftables-json(5), all or none of them. Where libnftables dies of others' sets, that
    holds for each family by itself. Errors: StepError."""
    _surviving(_change, commands)


def check(commands: Sequence[Json]) -> None:
    """Check that commands would be carried out. Errors: StepError."""
    _surviving(_try, commands)


#: A function that carries out commands, or tries them.
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
    """Return the family and the name of the table that a command is about."""
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
    """Try commands by the program, as the library's Python binding cannot check commands."""
    return _program(["nft", "-c", "-j", "-f", "-"], commands)


@cache
def _library() -> tuple[str, ...] | None:
    """Return the command line that runs libnftables in a Python process which starts quickly, as it loads nothing of
    svcc; None where the library's Python binding is not installed."""
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
    """Return nft's messages, each of them once."""
    printed = (done.stderr or done.stdout).splitlines()
    lines = dict.fromkeys(line.removeprefix(_NOWHERE).strip() for line in printed if line.strip())
    return "; ".join(lines)

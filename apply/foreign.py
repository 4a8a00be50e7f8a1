"""Find chains and sets whose names begin with our prefix, and that svcc did not make.

svcc tells its objects by the prefix of their names, and somebody may use that prefix already: kube-proxy for its
chains, say, or Docker. Where a bundle is recorded that has the part, the objects under the prefix are svcc's own. Where
none is, as on a new machine, svcc takes objects over only if a target would make such ones (somebody may have loaded a
bundle by hand).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcc.kernel.ipset.sets import Sets
from svcc.kernel.xtables.state import State
from svcc.targets import targets

#: How many objects a message names.
_NAMED = 3


def foreign_chains(part: str, live: State, prefix: str) -> Iterator[str]:
    """Yield a sentence that says which chains cannot be taken over; nothing where all can."""
    found = [
        f"{name} (table {table})"
        for tables in (live.tables, live.strays)
        for table, held in tables.items()
        for name, rules in held.chains.items()
        if not any(target.makes_chain(prefix, table, name, rules) for target in targets().values())
    ]
    if found:
        yield _sentence(f"{part}: chain", found)


def foreign_sets(live: Sets, prefix: str) -> Iterator[str]:
    """Yield a sentence that says which sets cannot be taken over; nothing where all can."""
    found = [
        name
        for name, held in live.items()
        if not any(target.makes_set(prefix, name, held.type) for target in targets().values())
    ]
    if found:
        yield _sentence("ipset: set", found)


def _sentence(what: str, names: Sequence[str]) -> str:
    """Return a sentence of the form "ipset: set SVCC-BLOCKED is not svcc's, …"."""
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    subject = f"{what}{'s' if len(names) > 1 else ''} {', '.join(names[:_NAMED])}{rest}"
    verb, pronoun = ("are", "them") if len(names) > 1 else ("is", "it")
    return (
        f"{subject} {verb} not svcc's, and nothing was applied under this prefix; choose another prefix, "
        f"or remove {pronoun}"
    )

"""Chains and sets whose names begin with our prefix, and that svcc did not make.

Names say whose an object is, and a prefix may be somebody's already: that of kube-proxy's chains, or Docker's. Where
svcc has put something into a part before, what is there by its prefix is its own. Where nothing is recorded of the
part, as on a new machine, what is there is taken over only if it is what a target would make (loaded by hand, that is).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from svcc.kernel.ipset.sets import Sets
from svcc.kernel.xtables.state import State
from svcc.targets import targets

#: Names that a message has.
_NAMED = 3


def foreign_chains(part: str, live: State, prefix: str) -> Iterator[str]:
    """Why chains cannot be taken over, a sentence."""
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
    """Why sets cannot be taken over, a sentence."""
    found = [
        name
        for name, held in live.items()
        if not any(target.makes_set(prefix, name, held.type) for target in targets().values())
    ]
    if found:
        yield _sentence("ipset: set", found)


def _sentence(what: str, names: Sequence[str]) -> str:
    """ "ipset: set SVCC-BLOCKED is not svcc's, …"."""
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    subject = f"{what}{'s' if len(names) > 1 else ''} {', '.join(names[:_NAMED])}{rest}"
    verb, pronoun = ("are", "them") if len(names) > 1 else ("is", "it")
    return (
        f"{subject} {verb} not svcc's, and nothing was applied under this prefix; choose another prefix, "
        f"or remove {pronoun}"
    )

"""Tell our chains and sets from those of others whose names begin with our prefix as well.

Somebody may use our prefix: kube-proxy for its chains, say, or an operator for a blocklist. What a bundle that may be
in the kernel declares is ours, whatever became of it since. Anything else is ours only if a target would make it
(somebody may have loaded a bundle by hand). The rest is foreign: it is left out of every state that svcc reads, so that
nothing can change it, and it is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from svcc.apply.scope import Scope
from svcc.kernel.ipset.difference import PART, is_temporary
from svcc.kernel.ipset.sets import Set, Sets
from svcc.kernel.xtables.state import ForeignChain, ForeignJump, State, Table, Tables, leads_to
from svcc.targets import targets

#: How many objects a message names.
_NAMED = 3


class OwnSets(dict[str, Set]):
    """Sets that were read from the kernel and are ours, by name. ``foreign``: the names of the others under our
    prefix."""

    foreign: tuple[str, ...] = ()


def own_sets(found: Sets, scope: Scope) -> OwnSets:
    """Return those of the sets under our prefix that are ours."""
    declared = _declared(scope.texts(PART), "create ")
    own = OwnSets(
        (name, one)
        for name, one in found.items()
        if name in declared
        or is_temporary(name, scope)
        or any(target.makes_set(scope.prefix, name, one.type) for target in targets().values())
    )
    own.foreign = tuple(name for name in found if name not in own)
    return own


def own_chains(found: State, part: str, scope: Scope) -> State:
    """Return a state that was read without what is foreign in it: chains, and the rules that lead to them."""
    declared = _declared(scope.texts(part), ":")
    foreign = {
        (stray, table, name)
        for stray, tables in ((False, found.tables), (True, found.strays))
        for table, held in tables.items()
        for name, rules in held.chains.items()
        if name not in declared
        and not any(target.makes_chain(scope.prefix, table, name, rules) for target in targets().values())
    }
    if not foreign:
        return found
    jumps = tuple(_jumps_of(found, foreign))
    tables = _without(found.tables, {(table, name) for stray, table, name in foreign if not stray})
    strays = _without(found.strays, {(table, name) for stray, table, name in foreign if stray})
    chains = tuple(sorted({ForeignChain(table, name) for _, table, name in foreign}, key=str))
    return replace(found, tables=tables, strays=strays, held=(*found.held, *jumps), foreign=chains)


def _declared(texts: Iterable[str], start: str) -> set[str]:
    """Return the names that texts declare: the words behind ``start`` at the beginnings of lines."""
    return {piece.split(" ", 1)[0] for text in texts for piece in f"\n{text}".split(f"\n{start}")[1:]}


def _jumps_of(found: State, foreign: set[tuple[bool, str, str]]) -> Iterator[ForeignJump]:
    """Yield the rules of foreign chains that lead to chains of ours."""
    for stray, table, name in sorted(foreign):
        chains = (found.strays if stray else found.tables)[table].chains
        for rule in chains[name]:
            target = leads_to(rule)
            if target is not None and target in chains and (stray, table, target) not in foreign:
                yield ForeignJump(table, name, rule, stray)


def _without(tables: Tables, foreign: set[tuple[str, str]]) -> Tables:
    left = {}
    for name, table in tables.items():
        chains = {chain: rules for chain, rules in table.chains.items() if (name, chain) not in foreign}
        entries = tuple((hook, rule) for hook, rule in table.entries if (name, leads_to(rule)) not in foreign)
        if chains or entries:
            left[name] = Table(chains, entries)
    return left


def foreign_chains(part: str, chains: Sequence[ForeignChain]) -> Iterator[str]:
    """Yield a sentence that names foreign chains; nothing where there are none."""
    if chains:
        yield _sentence(f"{part}: chain", [*map(str, chains)])


def foreign_sets(names: Sequence[str]) -> Iterator[str]:
    """Yield a sentence that names foreign sets; nothing where there are none."""
    if names:
        yield _sentence("ipset: set", names)


def _sentence(what: str, names: Sequence[str]) -> str:
    """Return a sentence of the form "ipset: set SVCC-BLOCKED is not svcc's, …"."""
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    if len(names) > 1:
        subject, remedy = f"{what}s {', '.join(names[:_NAMED])}{rest} are", "them"
    else:
        subject, remedy = f"{what} {names[0]} is", "it"
    return f"{subject} not svcc's, as no target makes {remedy}; choose another prefix, or remove {remedy}"

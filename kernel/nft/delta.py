"""Make the commands that turn one state into another: what differs, and no more.

Order matters to nft, which looks names up as it reads, and to the kernel, which counts references as it goes. Chains
and sets come first, then elements (a changed one is deleted and added again), then rules; objects that are not used any
more are deleted last. No packet meets any of it before the end of the transaction.
"""

from __future__ import annotations

from collections.abc import Iterator

from svcc.kernel.nft.elements import ElementWriter
from svcc.kernel.nft.state import FAMILIES, NamedSet, NftState, Table
from svcc.kernel.nft.transaction import Command, Writer


def delta(live: NftState, wanted: NftState) -> Iterator[Command]:
    """Yield the commands of one transaction that turns ``live`` into ``wanted``; none for equal states."""
    for family in FAMILIES:
        old, new = live.tables.get(family), wanted.tables.get(family)
        if old is not None and new is not None and not must_rebuild(old, new):
            yield from _change(Writer(family, new.name), old, new)
        elif old != new:
            yield from _replace(family, old, new)


def must_rebuild(old: Table, new: Table) -> bool:
    """Whether a table differs in something that the kernel does not change in an existing object: a table's attributes,
    a chain's hook (EEXIST), or a set's declaration (EEXIST; a timeout is ignored).
    """
    return (
        (old.name, old.attributes) != (new.name, new.attributes)
        or any(name in old.chains and old.chains[name].fields() != chain.fields() for name, chain in new.chains.items())
        or any(name in old.sets and old.sets[name].declaration != it.declaration for name, it in new.sets.items())
    )


def _replace(family: str, old: Table | None, new: Table | None) -> Iterator[Command]:
    """Yield the commands that delete the old table and make the new one. A table is added before it is deleted, in case
    that it is not there any more."""
    for name in dict.fromkeys(table.name for table in (old, new) if table is not None):
        writer = Writer(family, name)
        yield writer.table("add")
        yield writer.table("delete")
    if new is not None:
        writer = Writer(family, new.name)
        yield writer.table("add")
        yield from _change(writer, Table(new.name), new)


def _change(write: Writer, old: Table, new: Table) -> Iterator[Command]:
    for name, chain in new.chains.items():
        if name not in old.chains:
            yield write.object("add", "chain", name, chain.fields())
    for name, named in new.sets.items():
        if name not in old.sets:
            yield write.object("add", named.kind, name, named.declaration.fields())
    for name, named in old.sets.items():
        if name in new.sets:
            yield from _delete_elements(write, name, named, new.sets[name])
        elif named.elements:
            yield write.object("flush", named.kind, name)
    for name, named in new.sets.items():
        yield from _add_elements(write, name, old.sets.get(name), named)
    yield from _fill_chains(write, old, new)
    yield from _delete_chains(write, old, new)
    for name, named in old.sets.items():
        if name not in new.sets:
            yield write.object("delete", named.kind, name)
    for kind, name in old.others:
        if (kind, name) not in new.others:
            yield write.object("delete", kind, name)


def _fill_chains(write: Writer, old: Table, new: Table) -> Iterator[Command]:
    """Yield the commands that give chains their new rules. All chains that change are emptied before any is filled
    again: the kernel would refuse a loop of jumps between old and new rules."""
    changed = [name for name, chain in new.chains.items() if name in old.chains and old.chains[name] != chain]
    gone = [name for name in old.chains if name not in new.chains]
    for name in (*changed, *gone):
        if old.chains[name].rules:
            yield write.object("flush", "chain", name)
    for name, chain in new.chains.items():
        if name not in old.chains or name in changed:
            yield from (write.rule(name, rule) for rule in chain.rules)


def _delete_chains(write: Writer, old: Table, new: Table) -> Iterator[Command]:
    for name in old.chains:
        if name not in new.chains:
            yield write.object("delete", "chain", name)


def _delete_elements(write: Writer, name: str, old: NamedSet, new: NamedSet) -> Iterator[Command]:
    """Yield the command that deletes elements that are gone or changed: the kernel changes neither the value nor the
    comment of an element."""
    if old.elements == new.elements:
        return
    keys = sorted(key for key, element in old.elements.items() if new.elements.get(key) != element)
    if keys:
        writer = ElementWriter(old.declaration, write.known)
        written = [writer.json(key, old.elements[key], whole=False) for key in keys]
        yield write.elements("delete", name, keys, written)


def _add_elements(write: Writer, name: str, old: NamedSet | None, new: NamedSet) -> Iterator[Command]:
    existing = {} if old is None else old.elements
    if existing == new.elements:
        return
    keys = [key for key, element in new.elements.items() if existing.get(key) != element]
    if keys:
        writer = ElementWriter(new.declaration, write.known)
        yield write.elements("add", name, keys, [writer.json(key, new.elements[key]) for key in keys])

"""Find what differs between two states, object by object, in nft's own notation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from svcc.apply.nft.keys import FrontendKey, FrontendMaps
from svcc.kernel.nft.netlink import PART
from svcc.kernel.nft.state import FAMILIES, Chain, Element, NamedSet, NftState, Table, text
from svcc.kernel.steps import Change, FrontendAddress, Verb


def changes(live: NftState, wanted: NftState) -> Iterator[Change]:
    """Yield what differs between two states, table by table: IPv4 first, sets before chains."""
    for family in FAMILIES:
        old, new = live.tables.get(family), wanted.tables.get(family)
        if old == new:
            continue
        yield from _table_changes(family, old, new)
        empty = Table("")
        keys = {**FrontendMaps.of(old or empty).keys, **FrontendMaps.of(new or empty).keys}
        yield from _set_changes(family, keys, (old or empty).sets, (new or empty).sets)
        yield from _chain_changes(family, (old or empty).chains, (new or empty).chains)
        yield from _other_changes(family, old or empty, new or empty)


def _table_changes(family: str, old: Table | None, new: Table | None) -> Iterator[Change]:
    if old is None or new is None:
        table = old or new
        assert table is not None
        yield Change(Verb.ADD if old is None else Verb.REMOVE, PART, "table", f"{family} {table.name}")
    elif old.attributes != new.attributes:
        yield Change(Verb.CHANGE, PART, "table", f"{family} {new.name}", old.attributes, new.attributes)


def _set_changes(
    family: str, keys: Mapping[str, FrontendKey], old: Mapping[str, NamedSet], new: Mapping[str, NamedSet]
) -> Iterator[Change]:
    frontends: dict[
        FrontendKey | None, dict[str, FrontendAddress | None]
    ] = {}  # each once: ten maps may have the same keys

    def frontend(known: FrontendKey | None) -> Callable[[str], FrontendAddress | None]:
        found = frontends.setdefault(known, {})
        return lambda key: found[key] if key in found else found.setdefault(key, _frontend(known, key))

    for name in sorted({*old, *new}, key=_natural):  # a target has another order than the document that it prints
        before, after = old.get(name), new.get(name)
        subject = f"{family} {name}"
        if before is None or after is None:
            named = before or after
            assert named is not None
            yield Change(Verb.ADD if before is None else Verb.REMOVE, PART, named.kind, subject)
        elif before.declaration != after.declaration:
            texts = text(before.declaration.fields()), text(after.declaration.fields())
            yield Change(Verb.CHANGE, PART, after.kind, subject, *texts)
        had, has = before.elements if before else {}, after.elements if after else {}
        if had != has:
            yield from _element_changes(subject, frontend(keys.get(name)), had, has)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return the key that sorts ``endpoint-2`` before ``endpoint-10``."""
    return [(int(word), "") if word.isdigit() else (-1, word) for word in re.split(r"(\d+)", name)]


def _element_changes(
    subject: str,
    frontend: Callable[[str], FrontendAddress | None],
    old: Mapping[str, Element],
    new: Mapping[str, Element],
) -> Iterator[Change]:
    for key, (value, comment) in new.items():
        before = old.get(key)
        if before is None:
            yield Change(Verb.ADD, PART, "element", f"{subject} {key}", "", value, frontend(key), comment)
        elif before != (value, comment):
            texts = (value, before[0]) if before[1] == comment else (_whole(value, comment), _whole(*before))
            yield Change(Verb.CHANGE, PART, "element", f"{subject} {key}", texts[1], texts[0], frontend(key), comment)
    for key in sorted(old.keys() - new.keys()):
        value, comment = old[key]
        yield Change(Verb.REMOVE, PART, "element", f"{subject} {key}", value, "", frontend(key), comment)


def _whole(value: str, comment: str) -> str:
    return f'{value} comment "{comment}"'.strip()


def _chain_changes(family: str, old: Mapping[str, Chain], new: Mapping[str, Chain]) -> Iterator[Change]:
    for name in (*new, *(name for name in old if name not in new)):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        subject = f"{family} {name}"
        if before is None or after is None:
            yield Change(Verb.ADD if before is None else Verb.REMOVE, PART, "chain", subject)
        else:
            yield Change(Verb.CHANGE, PART, "chain", subject, _different(before, after), _different(after, before))


def _different(chain: Chain, other: Chain) -> str:
    """Return, as text, what a chain has and the other chain has not."""
    head = [text(chain.fields())] if chain.fields() != other.fields() else []
    rules = [rule for rule in chain.rules if rule not in other.rules]
    if not head and not rules:  # the other chain has the same rules in another order, or some of them more often
        rules = list(chain.rules)
    return " ".join((*head, *(text([made.json() for made in rule]) for rule in rules)))


def _other_changes(family: str, old: Table, new: Table) -> Iterator[Change]:
    for kind, name in new.others:
        if (kind, name) not in old.others:
            yield Change(Verb.ADD, PART, kind, f"{family} {name}")
    for kind, name in old.others:
        if (kind, name) not in new.others:
            yield Change(Verb.REMOVE, PART, kind, f"{family} {name}")


def _frontend(known: FrontendKey | None, key: str) -> FrontendAddress | None:
    """Return the frontend that an element is for; None where it is for none."""
    return None if known is None else known.frontend(key)

"""What a transaction changed, read back: element by element where elements alone were to change.

A kernel takes a transaction whole or not at all. Where it was of elements, each one that was to come, to change or to
go is asked for, which takes time for them and not for the hundred thousand others.
"""

from __future__ import annotations

from dataclasses import replace

from svcc.kernel.nft import netlink
from svcc.kernel.nft.reading import read_set
from svcc.kernel.nft.state import NamedSet, NftState, differing_keys
from svcc.kernel.nft.tool import Listing

#: Up to so many sets are looked into by themselves.
_FEW = 64


def sets_that_changed(live: NftState, wanted: NftState) -> list[tuple[str, str]] | None:
    """Family and name of the sets whose elements are all that differs; None where other things differ, or all tables
    are listed as quickly."""
    found: list[tuple[str, str]] = []
    if live.tables.keys() != wanted.tables.keys():
        return None
    for family, old in live.tables.items():
        new = wanted.tables[family]
        if replace(old, sets=new.sets) != new or old.sets.keys() != new.sets.keys():
            return None
        for name, named in old.sets.items():
            if replace(named, elements=new.sets[name].elements) != new.sets[name]:
                return None
            if named.elements != new.sets[name].elements:
                found.append((family, name))
    return found if len(found) <= _FEW else None


#: Up to so many elements of a set are asked for; of more, the set is listed.
_ASKED = 2_000


def read_changed(live: NftState, wanted: NftState) -> NftState | None:
    """The state that was ``live``, with what was to change as it is now; None: all of it has to be read.

    Errors: StepError.
    """
    changed = sets_that_changed(live, wanted)
    if changed is None:
        return None
    tables = dict(live.tables)
    for family, name in changed:
        table = tables[family]
        now = _set_now(family, table.name, name, table.sets[name], wanted.tables[family].sets[name])
        others = {other: named for other, named in table.sets.items() if other != name}
        tables[family] = replace(table, sets=others if now is None else {**others, name: now})
    return NftState(tables)


def _set_now(family: str, table: str, name: str, old: NamedSet, new: NamedSet) -> NamedSet | None:
    """None: there is no such set any more."""
    keys = sorted(differing_keys(old.elements, new.elements))
    if len(keys) <= _ASKED and netlink.can_ask(old.declaration):
        others = {key: element for key, element in old.elements.items() if new.elements.get(key) == element}
        return replace(old, elements=others | netlink.elements(family, table, name, old.declaration, keys))
    text = Listing(old.kind, family, table, name).text()
    return None if text is None else read_set(text)

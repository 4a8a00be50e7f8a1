"""Find tables that have our name, and that svcc did not make.

A table does not say who made it (nft 1.0.6 keeps no comments of tables). Where svcc has made one before, its state
directory says so. Where nothing is recorded, the content of the table decides: svcc's tables have base chains that are
named after their type and hook, `nat-prerouting` always among them, and hold only sets, maps and chains.
"""

from __future__ import annotations

from collections.abc import Mapping

from svcc.kernel.nft.state import NftState, Table


def own_tables(tables: Mapping[str, Table]) -> NftState:
    """Return the state of those tables that can be taken over. An empty table can, whoever made it: nothing in it can
    be lost."""
    foreign = {family: why for family, table in tables.items() if (why := _why_foreign(family, table))}
    return NftState({family: table for family, table in tables.items() if family not in foreign}, foreign)


def _why_foreign(family: str, table: Table) -> str:
    """Return a sentence that says why a table cannot be taken over; "" where it can."""
    strange = _strange(table)
    if not strange:
        return ""
    what = f"table {family} {table.name} is not svcc's: it has {strange}"
    return f"{what}, and no table of nft was applied under this prefix; choose another prefix, or remove the table"


def _strange(table: Table) -> str:
    """Return, in words, something in a table that svcc would not have made; "" where there is none."""
    if table.attributes != "{}":
        return "attributes"
    for kind, name in table.others:
        return f"a {kind} {name}"
    hooks = {name: chain.fields() for name, chain in table.chains.items()}
    for name, hook in hooks.items():
        if hook and name != f"{hook.get('type')}-{hook.get('hook')}":
            return f"a base chain {name}"
    return "no chain nat-prerouting" if (hooks or table.sets) and not hooks.get("nat-prerouting") else ""

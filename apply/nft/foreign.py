"""Tables that have our name, and that svcc did not make.

A table says nothing of who made it (nft 1.0.6 keeps no comments of tables). Where svcc has made one before, its state
directory knows. Where that knows nothing, the content tells: packets enter svcc's tables by base chains that are called
by their type and hook, `nat-prerouting` always among them, and there is nothing else but sets, maps and chains.
"""

from __future__ import annotations

from collections.abc import Iterator

from svcc.kernel.nft.state import NftState, Table


def foreign(live: NftState) -> Iterator[str]:
    """Why tables cannot be taken over, a sentence each. An empty one may be anybody's, and nobody loses by it."""
    for family, table in live.tables.items():
        if strange := _strange(table):
            yield (
                f"table {family} {table.name} is not svcc's: it has {strange}, and nothing was applied under this "
                "prefix; choose another prefix, or remove the table"
            )


def _strange(table: Table) -> str:
    """What svcc would not have made; "" for nothing."""
    if table.attributes != "{}":
        return "attributes"
    for kind, name in table.others:
        return f"a {kind} {name}"
    hooks = {name: chain.fields() for name, chain in table.chains.items()}
    for name, hook in hooks.items():
        if hook and name != f"{hook.get('type')}-{hook.get('hook')}":
            return f"a base chain {name}"
    return "no chain nat-prerouting" if (hooks or table.sets) and not hooks.get("nat-prerouting") else ""

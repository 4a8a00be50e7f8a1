"""Which prefixes are refused."""

from __future__ import annotations

import pytest

from svcc.compiler.load import load_text
from svcc.compiler.source import Source


@pytest.mark.parametrize("table", ["filter", "nat", "mangle", "raw", "security"])
def test_a_table_of_iptables_is_no_prefix_in_any_case(table: str) -> None:
    """nft has iptables-nft's tables under these names: svcc's own table would be one of them."""
    for prefix in (table, table.upper(), table.title()):
        found = load_text(Source("a.dsl", f"cluster {{ prefix {prefix} }}\n")).diagnostics
        assert [(one.code.id, one.message) for one in found] == [
            ("SVC015", f"the prefix {prefix} is the name of a table of iptables, which nft has under the same name")
        ]

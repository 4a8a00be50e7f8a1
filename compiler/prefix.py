"""The cluster's prefix: what it may be, wherever it comes from.

It begins the names of chains and sets, in lower case it names nft's tables and a folder of the state directory. So
there is one form of it, for programs, bundles, options and recorded state.
"""

from __future__ import annotations

import re

_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
#: The form of a prefix, for messages.
FORM = "a prefix is ASCII letters, digits, `_` and `-`, and begins with a letter"
#: The tables of iptables' nft variant, which nft has under the same names in the same families (iptables-nft(8)).
TABLES_OF_IPTABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})


def fault(prefix: str) -> str | None:
    """Why nothing of ours can have that prefix; None: it can."""
    if not is_prefix(prefix):
        return FORM
    return "tables of that name belong to iptables" if is_taken(prefix) else None


def is_prefix(text: str) -> bool:
    """Whether a text has the form of a prefix (which is the form of a name of one file, too)."""
    return _PREFIX.fullmatch(text) is not None


def is_taken(prefix: str) -> bool:
    """Whether tables of that name belong to iptables' nft variant."""
    return prefix.lower() in TABLES_OF_IPTABLES

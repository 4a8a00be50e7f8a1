"""The cluster's prefix, and the form that it has to have.

Names of chains and sets begin with it. In lower case it is the name of nft's tables and of a folder in the state
directory. So programs, bundles, options and recorded state all need the same form of it.
"""

from __future__ import annotations

import re

_PREFIX = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
#: The form of a prefix, in words for messages.
FORM = "a prefix is ASCII letters, digits, `_` and `-`, and begins with a letter"
#: The tables of iptables' nft variant, which nft has under the same names in the same families (iptables-nft(8)).
TABLES_OF_IPTABLES = frozenset({"filter", "nat", "mangle", "raw", "security"})


def fault(prefix: str) -> str | None:
    """Return why svcc cannot use a prefix. Return None where it can."""
    if not is_prefix(prefix):
        return FORM
    return "tables of that name belong to iptables" if is_taken(prefix) else None


def is_prefix(text: str) -> bool:
    """Whether a text has the form of a prefix. Such a text is also a valid file name."""
    return _PREFIX.fullmatch(text) is not None


def is_taken(prefix: str) -> bool:
    """Whether tables of that name belong to iptables' nft variant."""
    return prefix.lower() in TABLES_OF_IPTABLES

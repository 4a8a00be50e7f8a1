"""How long the names of chains are."""

from __future__ import annotations

#: The most characters of a chain's name on either variant; names of this length load on both.
CHAIN_NAME = 28

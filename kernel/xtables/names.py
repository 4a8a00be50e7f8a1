"""The length of chains' names."""

from __future__ import annotations

#: The most characters that a chain's name may have on both variants.
CHAIN_NAME = 28

"""The parts of the output of the nft target."""

from __future__ import annotations

from svcc.targets.interface import Part

PART = Part("nft", "nft.json", "nft -j -f -")

"""Hypothesis strategies for releases, wants and statuses of a fleet."""

from __future__ import annotations

from hypothesis import strategies as st

from svcc.fleet.documents import MOST_TOLD, Compiled, NodeState, Release, Status, Want

NODES = ("node-a", "node-b", "10.0.0.4", "x" * 63)
_HASHES = st.sampled_from([digit * 64 for digit in "0af"])
_NUMBERS = st.integers(0, 2**53 - 1)
_WORDS = st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" \n"), max_size=20)

wants = st.builds(Want, epoch=st.integers(1, 2**53 - 1), release=_NUMBERS)
statuses = st.builds(
    Status,
    want=st.builds(Want, epoch=_NUMBERS, release=_NUMBERS),
    state=st.sampled_from(NodeState),
    serves=st.integers(0, MOST_TOLD),
    followed=st.integers(0, MOST_TOLD),
    down=_NUMBERS,
    drift=_NUMBERS,
    words=_WORDS,
    svcc=_WORDS,
)
releases = st.builds(
    Release,
    fleet=st.just("shop"),
    number=st.integers(1, 2**53 - 1),
    program=_HASHES,
    pieces=st.integers(1, 9),
    nodes=st.dictionaries(st.sampled_from(NODES), st.builds(Compiled, st.sampled_from(["nft", "ipvs"]), _HASHES)),
    who=_WORDS,
    message=_WORDS,
    when=_WORDS,
    signature=_WORDS,
)

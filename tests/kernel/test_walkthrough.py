"""The pages that go from command to command are played as they stand, in labs."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.console_blocks import blocks_of, play
from support.tools.project import ROOT

WALKTHROUGH = blocks_of(ROOT / "docs/walkthrough.md")
#: What the commands of blocks have in them that need IPVS, or that look at what it made.
_OF_IPVS = ("ipvs", "ipset", "rollback")


@pytest.mark.kernel
def test_what_of_the_walkthrough_needs_no_ipvs() -> None:
    start = [block for block in WALKTHROUGH if not any(word in command for command, _ in block for word in _OF_IPVS)]
    assert len(start) > 5
    play(start)


@pytest.mark.vm
def test_the_walkthrough() -> None:
    play(WALKTHROUGH)


@pytest.mark.kernel
def test_the_tutorial(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    blocks = blocks_of(ROOT / "docs/tutorial.md")
    assert len(blocks) > 5
    play(blocks, tmp_path)

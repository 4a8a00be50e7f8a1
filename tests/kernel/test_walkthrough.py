"""docs/walkthrough.md is played as it stands, command by command."""

from __future__ import annotations

import pytest

from support.console_blocks import Shown, blocks_of, played, shows
from support.tools.project import ROOT

BLOCKS = blocks_of(ROOT / "docs/walkthrough.md")


def _play(blocks: list[list[Shown]]) -> None:
    commands = [command for block in blocks for command, _ in block]
    outputs = played(commands)
    assert len(outputs) == len(commands)
    for (command, shown), printed in zip((one for block in blocks for one in block), outputs, strict=True):
        assert shows(shown, printed), f"{command} does not print\n{shown}\nbut\n{printed}"


@pytest.mark.kernel
def test_what_needs_no_ipvs() -> None:
    start = [block for block in BLOCKS if not any(word in command for command, _ in block for word in _OF_IPVS)]
    assert len(start) > 5
    _play(start)


@pytest.mark.vm
def test_all_of_it() -> None:
    _play(BLOCKS)


#: What the commands of blocks have in them that need IPVS, or that look at what it made.
_OF_IPVS = ("ipvs", "ipset", "rollback")

"""max-connections: the kernel keeps to it, and svcc changes it and reads it back."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from support.apply_world import World
from support.command_line import svcc
from support.ipvs_kernel import served
from svcc.kernel.tools import read
from svcc.verify.lab import CLIENT, NoReply, Reply

pytestmark = [pytest.mark.vm, pytest.mark.kernel]

PROGRAM = """\
cluster { prefix T; pods 100.64.0.0/24 }
node node-a { address 10.0.0.4 }
service s { vip 198.19.10.1; port 80/tcp; endpoints { 100.64.0.9 max-connections 2; 100.64.0.19 max-connections 3 } }
"""


def test_who_is_full_gets_no_new_connections() -> None:
    with served(PROGRAM) as lab:
        held = [lab.open(CLIENT, "198.19.10.1", 80) for _ in range(5)]
        try:
            answers = [conversation.ask() for conversation in held]
            assert lab.connect(CLIENT, "198.19.10.1", 80) is NoReply.REFUSED
            assert [conversation.ask() for conversation in held] == answers
        finally:
            for conversation in held:
                conversation.close()
    assert Counter(one.name for one in answers if isinstance(one, Reply)) == {"100.64.0.9": 2, "100.64.0.19": 3}


@pytest.mark.parametrize("others", ["", " weight 3"], ids=["few changes", "another weight as well"])
def test_a_limit_is_changed_and_read_back(world: World, tmp_path: Path, others: str) -> None:
    file = tmp_path / "a.dsl"
    with world.inside():
        for limit in (" max-connections 2", f" max-connections 5{others}", ""):
            file.write_text(PROGRAM.replace(" max-connections 2", limit))
            done = svcc("apply", file, "-t", "ipvs", "-q")
            assert done.status == 0, done.text
            assert _limits() == {"100.64.0.9": limit.split()[1] if limit else "0", "100.64.0.19": "3"}
            assert svcc("plan", file, "-t", "ipvs").status == 0
            assert "holds what was applied" in svcc("status").text


def _limits() -> dict[str, str]:
    """The limit of each real server."""
    listed = map(str.split, read("ipvsadm", ["ipvsadm", "-L", "-n", "--thresholds"]).splitlines())
    rows = [words for words in listed if words[0] == "->" and words[1].startswith("100.64.")]
    return {words[1].partition(":")[0]: words[2] for words in rows}

"""The demonstration of a fleet, and docs/fleet.md, which shows its output."""

from __future__ import annotations

import os
import re
import subprocess

import pytest

from support.console_blocks import blocks_of, shows
from support.etcd import RELEASES
from support.tools.debs import argv
from support.tools.project import ROOT
from support.waiting import LID

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def printed() -> list[tuple[str, str]]:
    """The commands of the demonstration, each with what it printed."""
    etcd = " ".join(argv(RELEASES[0], "etcd-server", "etcd"))
    done = subprocess.run(
        [ROOT / "examples/fleet/demo.sh"],
        env={**os.environ, "ETCD": etcd, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=5 * LID,  # it waits for many things, one after the other
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return re.findall(r"^\$ (.+)\n((?:(?!\$ |# ).*\n)*)", done.stdout, re.MULTILINE)


def test_it_ends_where_it_should(printed: list[tuple[str, str]]) -> None:
    said = dict(printed)
    asked = next(command for command in said if "curl" in command)
    assert set(said[asked].split("\n")) >= {"pod 9", "pod 19"}
    failed = [command for command, output in printed if "(exit status" in output]
    assert [command.partition(" --")[0] for command in failed] == ["svcc fleet diff", "svcc rollout 3"]


def test_the_page_shows_what_it_prints(printed: list[tuple[str, str]]) -> None:
    for block in blocks_of(ROOT / "docs" / "fleet.md"):
        for command, shown in block:
            outputs = [output.rstrip() + "\n" for one, output in printed if one == command]
            assert any(shows(shown, output) for output in outputs), f"{command} printed {outputs}"

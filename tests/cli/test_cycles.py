"""Commands that run for long free cycles of objects; others end before that matters."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Runs a command whose work is to say whether Python looks for cycles, and how often at all objects.
_SCRIPT = """
import gc, sys
def said(*_, **__):
    print(gc.isenabled(), gc.get_threshold()[2] >= 1_000)
    sys.exit(0)
import svcc.commands.agent, svcc.fleet_options
svcc.commands.agent.need_root = lambda: None
svcc.commands.agent._run_alone = said
svcc.fleet_options.FleetAccess.run = said
from svcc.__main__ import main
sys.argv = ["svcc", *sys.argv[1:]]
main()
"""
_AT = ("--fleet", "shop", "--etcd", "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("words", "looks"),
    [
        (("agent", "x.dsl", "-t", "nft"), "True True"),
        (("register", "web", "100.64.0.1", *_AT, "--", "true"), "True True"),
        (("fleet", "status", "--watch", *_AT), "True True"),
        (("fleet", "status", *_AT), "False False"),
    ],
)
def test_python_looks_for_cycles_where_a_command_runs_for_long(words: tuple[str, ...], looks: str) -> None:
    done = subprocess.run([sys.executable, "-P", "-c", _SCRIPT, *words], capture_output=True, text=True, check=False)
    assert done.stdout == f"{looks}\n", done.stderr

"""For the tests of the nft driver: programs as states, and steps taken."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import support.tools.nft
import svcc.kernel.nft.tool
from support.nft_programs import program
from svcc.apply.driver import Transition
from svcc.apply.nft import DRIVER, affinity
from svcc.apply.scope import Scope
from svcc.compiler import ir
from svcc.kernel.nft.delta import delta
from svcc.kernel.nft.state import NftState
from svcc.targets.nft import TARGET

SCOPE = Scope("LAB")
HERE = Transition("nft", "nft")


def text(program: ir.Program, node: ir.Node | None) -> str:
    """Return a program's document, in tables with the name that all tests use."""
    cluster = replace(program.cluster, prefix=SCOPE.prefix)
    return TARGET.render(replace(program, cluster=cluster), node).artifacts[0].text


def state(program: ir.Program, node: ir.Node | None) -> NftState:
    return DRIVER.parse(text(program, node), SCOPE)


def state_of(source: str) -> NftState:
    """Return the state of a program in svcc's language, on its first node if it has any."""
    parsed = program(source)
    return state(parsed, parsed.nodes[0] if parsed.nodes else None)


def read() -> NftState:
    return DRIVER.read(SCOPE, NftState())


def take(live: NftState, wanted: NftState) -> None:
    """Take the steps, after the check of the first one, which checks all."""
    steps = DRIVER.steps(live, wanted, SCOPE, HERE)
    assert [step.check is not None for step in steps] == [number == 0 for number in range(len(steps))]
    for step in steps:
        if step.check is not None:
            step.check()
        step.run()


def whole_plan(old: NftState, new: NftState) -> dict[str, Any]:
    """Return everything that is computed from two states."""
    left, come = DRIVER.gone_routes(old, new), DRIVER.gone_routes(new, old)
    return {
        "changes": [*DRIVER.changes(old, new)],
        "commands": json.dumps([command.json() for command in delta(old, new)]),
        "moves": affinity.moves(old, new),
        "steps": [(step.title, step.size) for step in DRIVER.steps(old, new, SCOPE, HERE)],
        "left": left,
        "come": come.frontends - DRIVER.serves(old, come.frontends),
    }


def nft(command: str, *options: str) -> str:
    """Run a command of nft in the namespace of the calling thread; return what it prints."""
    done = subprocess.run(["nft", *options, command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def use_release(release: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the driver and :func:`nft` find a given release of nft."""
    if release != "installed":
        wrapper = directory / "nft"
        wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(support.tools.nft.nft(release))} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
        # The release's library needs another C library and cannot be loaded here, so its program does all the work.
        monkeypatch.setattr(svcc.kernel.nft.tool, "_library", lambda: None)

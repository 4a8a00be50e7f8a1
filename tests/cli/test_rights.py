"""Containers that may change rules and little else: what svcc cannot do there is said, and the rest is done."""

from __future__ import annotations

import json
import subprocess

import pytest

from support.shell import A, Shell

pytestmark = pytest.mark.kernel


def without(shell: Shell, right: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Svcc in the shell's namespace, without one capability."""
    command = ["setpriv", f"--bounding-set=-{right}", f"--inh-caps=-{right}", *shell.words(*words)]
    with shell.namespace.entered():
        return subprocess.run(
            command, env=shell.environment(), cwd=shell.folder, capture_output=True, text=True, check=False
        )


def test_who_may_make_no_namespaces_is_told_so_by_the_doctor(shell: Shell) -> None:
    said = without(shell, "sys_admin", "doctor", "-t", "nft", "--json")
    assert (said.returncode, said.stderr) == (0, "")
    trials = [one for one in json.loads(said.stdout)["findings"] if one["subject"] == "loading a trial program"]
    assert [one["state"] for one in trials] == ["not tried"]
    assert without(shell, "sys_admin", "apply", "a.dsl", "-t", "nft", "-q").returncode == 0
    assert shell.endpoints() == A

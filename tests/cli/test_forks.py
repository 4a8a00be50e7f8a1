"""A quick call in tests (``Shell.svcc``) ends, reads and prints as the program that a user starts."""

from __future__ import annotations

import subprocess

import pytest

from support.shell import PROGRAM, Shell

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("plan", "a.dsl", "-t", "nft"), None),
        (("compile", "-", "-t", "nft"), PROGRAM),
        (("check", "-"), "service {"),
        (("nothing",), None),
    ],
    ids=lambda one: one[0] if isinstance(one, tuple) else None,
)
def test_a_fork_does_what_a_process_does(shell: Shell, words: tuple[str, ...], given: str | None) -> None:
    forked = shell.ended(*words, given=given)
    with shell.namespace.entered():
        started = subprocess.run(
            shell.words(*words), cwd=shell.folder, env=shell.environment(), input=given or "",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)
    assert forked.stdout or forked.stderr


def test_nothing_of_a_call_stays_for_the_next(shell: Shell) -> None:
    """Each has a process, a folder and an environment of its own."""
    shell.svcc("apply", "a.dsl", "-t", "nft")
    other = shell.folder / "other"
    other.mkdir()
    shell.folder = other
    assert "nothing was applied here" in shell.svcc("restore").stdout

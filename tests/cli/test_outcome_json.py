"""JSON of the commands that change the machine: it follows its schema, and nothing else is on standard output."""

from __future__ import annotations

import os
from typing import Any

import pytest

from support.schemas import follows
from support.shell import PROGRAM, A, B, Shell, end_watchdog, time_runs_out
from support.waiting import until

pytestmark = pytest.mark.kernel


def said(shell: Shell, command: str, *words: str, schema: str | None = None, status: int = 0) -> dict[str, Any]:
    """What a command says with --json, which is what it says of itself in `history` as well."""
    document: dict[str, Any] = follows(schema or command, shell.svcc(command, *words, "--json", status=status).stdout)
    return document


def _of(before: int | None, generation: int | None, **more: Any) -> dict[str, Any]:
    changed = before != generation
    return {"version": 1, "prefix": "CUSTOM", "changed": changed, "before": before, "generation": generation, **more}


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_an_apply_says_what_it_changed(shell: Shell, target: str) -> None:
    planned = said(shell, "plan", "a.dsl", "-t", target, status=1)
    counts = {"objects": len(planned["objects"]), "steps": len(planned["steps"])}
    assert said(shell, "apply", "a.dsl", "-t", target, "--dry-run", schema="plan") == planned
    assert said(shell, "apply", "a.dsl", "-t", target) == _of(None, 1, **counts, unconfirmed=None)
    assert follows("history", shell.svcc("history", "--json").stdout)["current"] == 1
    nothing = _of(1, 1, objects=0, steps=0, unconfirmed=None)
    assert said(shell, "apply", "a.dsl", "-t", target) == nothing
    (shell.folder / "a.dsl").write_text(f"# other words\n{PROGRAM}")  # it is compiled again
    assert said(shell, "apply", "a.dsl", "-t", target) == nothing


def test_an_apply_that_waits_says_so_and_can_be_confirmed(shell: Shell) -> None:
    assert said(shell, "apply", "a.dsl", "-t", "nft", "--confirm", "600")["unconfirmed"] == {"seconds": 600}
    assert said(shell, "confirm") == {"version": 1, "prefix": "CUSTOM", "generation": 1}
    assert shell.svcc("confirm", "--json", status=2).stdout == ""
    assert shell.endpoints() == A


def test_a_rollback_says_whose_rules_are_back(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft")
    assert said(shell, "rollback") == _of(2, 3, again=1)
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    assert said(shell, "rollback") == _of(4, 5, again=3)
    assert shell.endpoints() == A
    assert shell.svcc("rollback", "9", "--json", status=2).stdout == ""


def test_a_rollback_that_comes_after_the_time_says_what_is_back(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft", "--confirm", "600")
    end_watchdog(shell)
    time_runs_out(shell)
    assert said(shell, "rollback") == _of(1, 2, again=None)
    assert shell.endpoints() == set()


def test_a_delete_says_how_much_it_removed(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    planned = said(shell, "delete", "--dry-run", schema="plan")
    assert shell.endpoints() == A
    assert said(shell, "delete") == _of(1, 2, objects=len(planned["objects"]))
    assert said(shell, "delete") == _of(2, 2, objects=0)
    assert shell.endpoints() == set()
    assert said(shell, "rollback") == _of(2, 3, again=1)


def test_all_prefixes_are_one_document(shell: Shell) -> None:
    (shell.folder / "c.dsl").write_text(PROGRAM.replace("CUSTOM", "OTHER").replace("198.19.10", "198.19.20"))
    assert said(shell, "delete", "--all") == {"version": 1, "prefixes": {}}
    assert said(shell, "restore") == {"version": 1, "prefixes": {}}
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "c.dsl", "-t", "iptables")
    kept = said(shell, "restore")["prefixes"]
    assert kept == {
        "custom": _of(1, 1, again=1, failed=None),
        "other": {**_of(1, 1, again=1, failed=None), "prefix": "OTHER"},
    }
    shell.run("nft", "flush", "ruleset")
    assert [one["generation"] for one in said(shell, "restore")["prefixes"].values()] == [2, 2]
    assert shell.endpoints() == A
    assert list(said(shell, "delete", "--all", "--dry-run", schema="plan")["prefixes"]) == ["custom", "other"]
    assert [one["changed"] for one in said(shell, "delete", "--all")["prefixes"].values()] == [True, True]


def test_an_error_leaves_standard_output_empty(shell: Shell) -> None:
    (shell.folder / "wrong.dsl").write_text("service")
    (shell.folder / "empty.dsl").write_text("cluster { prefix CUSTOM }\n")
    shell.svcc("apply", "a.dsl", "-t", "nft")
    for words, status in (
        (["apply", "wrong.dsl", "-t", "nft"], 2),
        (["apply", "empty.dsl", "-t", "nft"], 2),
        (["rollback", "--prefix", "NOBODY"], 2),
        (["confirm"], 2),
        (["delete", "--all", "--prefix", "no prefix"], 2),
    ):
        done = shell.svcc(*words, "--json", status=status)
        assert (done.stdout, bool(done.stderr)) == ("", True), words
    shell.svcc("apply", "b.dsl", "-t", "nft")
    assert shell.endpoints() == B


def test_what_was_done_before_an_error_is_said(shell: Shell) -> None:
    """The second prefix is kept by a session; that the first one is deleted stays true."""
    (shell.folder / "c.dsl").write_text(PROGRAM.replace("CUSTOM", "OTHER").replace("198.19.10", "198.19.20"))
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "c.dsl", "-t", "nft")
    script = """
import signal
import sys
import svcc
with svcc.Session(target="nft", state_dir=sys.argv[1]) as session:
    session.plan(svcc.load("c.dsl"))
    print("kept", flush=True)
    signal.pause()
"""
    with shell.python(script, str(shell.folder / "state")) as keeping:
        assert keeping.stdout is not None
        until(lambda: keeping.stdout is not None and keeping.stdout.readline() == "kept\n", "it keeps the prefix")
        prefixes = said(shell, "delete", "--all", status=3)["prefixes"]
    assert list(prefixes) == ["custom"]
    assert prefixes["custom"]["changed"]


def test_a_lab_that_was_built_is_said_as_status_says_it(shell: Shell) -> None:
    name = f"outcome-{os.getpid()}"
    try:
        (built,) = said(shell, "lab", "up", "a.dsl", "--name", name, schema="lab")["labs"]
        assert built in said(shell, "lab", "status", schema="lab")["labs"]
        assert built["hosts"]["pod-1"] == ["100.64.0.1"]
    finally:
        shell.svcc("lab", "down", "--name", name)

"""``svcc restore`` puts back all that can be put back, and says what is not in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.broken_tools import broken_tools
from support.damages import DAMAGES
from support.schemas import follows
from support.shell import OTHER, PROGRAM, A, B, Shell, end_watchdog, time_runs_out

pytestmark = pytest.mark.kernel

_REMEDY = "run `svcc apply` with what is to be served"


@pytest.fixture
def state(shell: Shell) -> Path:
    return shell.folder / "state/custom"


def _restarted(shell: Shell) -> None:
    shell.run("nft", "flush", "ruleset")
    assert shell.endpoints() == set()


def _spoil(state: Path, number: int) -> None:
    """Damage all that a generation's rules could be had from."""
    for suffix in ("bundle", "program"):
        (state / f"{number:06}.{suffix}").write_text("x")


# ---- several prefixes


def test_what_fails_under_one_prefix_keeps_no_other_from_its_rules(shell: Shell) -> None:
    other = PROGRAM.replace("CUSTOM", "ZOTHER").replace("198.19.10", "198.19.20").replace("30080", "30081")
    (shell.folder / "z.dsl").write_text(other)
    shell.svcc("apply", "a.dsl", "-t", "iptables")
    shell.svcc("apply", "z.dsl", "-t", "nft")
    _restarted(shell)
    with broken_tools(shell.folder, "iptables-restore", "iptables-nft-restore"):
        done = shell.svcc("restore", "-q", status=4)
        assert done.stdout == "CUSTOM: generation 1 is not in place.\nZOTHER: generation 1 is in place again.\n"
        assert done.stderr.startswith("error[SVC070]: the kernel or its tools refuse part iptables")
        assert "zother" in shell.run("nft", "list", "tables")
        found = follows("restore", shell.svcc("restore", "-q", "--json", status=4).stdout)["prefixes"]
        assert [(one["again"], one["failed"]) for one in found.values()] == [(None, 4), (2, None)]
    assert shell.svcc("restore", "-q").stdout == (
        "CUSTOM: generation 1 is in place again.\nZOTHER: generation 1 is in place.\n"
    )


# ---- damaged files


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", ["bundle", "services"])
def test_what_a_sound_program_says_is_made_anew(shell: Shell, state: Path, suffix: str, damage: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    path = state / f"000001.{suffix}"
    before = path.read_text()
    DAMAGES[damage](path)
    _restarted(shell)
    done = shell.svcc("restore", "-q")
    assert done.stdout == "CUSTOM: generation 1 is in place again.\n"
    assert done.stderr.startswith(f"{path} is damaged (")
    assert done.stderr.endswith("); it is made anew\n")
    assert shell.endpoints() == A
    assert path.read_text() == before
    assert path.with_name(f"{path.name}.damaged").exists() == (damage != "missing")
    assert shell.svcc("status").stderr == ""


def test_what_cannot_be_made_anew_is_kept_and_named_each_time(shell: Shell, state: Path) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    _spoil(state, 1)
    _restarted(shell)
    for _ in range(2):
        done = shell.svcc("restore", "-q", status=3)
        assert done.stdout == "CUSTOM: what was applied last is not in place.\n"
        damage, last = done.stderr.splitlines()
        assert damage.startswith(f"{state}/000001.bundle is damaged (")
        assert last == f"svcc: CUSTOM: the files of generation 1 cannot be read; {_REMEDY}"
        shell.svcc("status", status=3)
    document = follows("restore", shell.svcc("restore", "-q", "--json", status=3).stdout)["prefixes"]["custom"]
    assert (document["again"], document["failed"]) == (None, 3)
    kept = {path.name for path in state.iterdir()}
    assert {"000001.json", "000001.bundle.damaged", "000001.program", "000001.services", "current"} <= kept
    shell.svcc("apply", "a.dsl", "-t", "nft", "-q")
    assert shell.endpoints() == A
    assert shell.svcc("restore", "-q").stdout == "CUSTOM: generation 2 is in place.\n"


def test_what_is_older_is_said_to_be(shell: Shell, state: Path) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft")
    _spoil(state, 2)
    _restarted(shell)
    done = shell.svcc("restore", "-q", status=3)
    older = f"CUSTOM: generation 1 is in place again. It is older than generation 2: {_REMEDY}.\n"
    assert done.stdout == older
    assert shell.endpoints() == A
    assert (state / "000002.json").exists()
    assert (state / "000002.bundle.damaged").read_text() == "x"
    shell.svcc("status")


def test_a_note_with_the_same_rules_is_as_good(shell: Shell, state: Path) -> None:
    """Each restart after which rules are put back makes one, and it is no older."""
    shell.svcc("apply", "a.dsl", "-t", "nft")
    _restarted(shell)
    shell.svcc("restore")
    _spoil(state, 2)
    _restarted(shell)
    assert shell.svcc("restore", "-q").stdout == "CUSTOM: generation 1 is in place again.\n"
    assert shell.endpoints() == A


def test_what_was_never_confirmed_is_not_gone_to(shell: Shell, state: Path) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    shell.svcc("rollback")
    _spoil(state, 3)
    _restarted(shell)
    assert shell.svcc("restore", "-q").stdout == "CUSTOM: generation 1 is in place again.\n"
    assert shell.endpoints() == A


@pytest.mark.parametrize("words", [("apply", "a.dsl", "-t", "nft"), ("delete", "--yes")], ids=" ".join)
def test_a_command_that_finds_nothing_to_do_records_that(shell: Shell, state: Path, words: tuple[str, ...]) -> None:
    """Else each later command would name the damage again, and a restart would end with an error for ever."""
    shell.svcc("apply", "a.dsl", "-t", "nft")
    _spoil(state, 1)
    if words[0] == "delete":
        _restarted(shell)
    shell.svcc(*words, "-q")
    assert shell.svcc("status").stderr == ""
    shell.svcc("restore")


def test_a_rollback_goes_on_from_what_is_whole(shell: Shell, state: Path) -> None:
    for text in (PROGRAM, OTHER, PROGRAM.replace("8080", "8081")):
        (shell.folder / "a.dsl").write_text(text)
        shell.svcc("apply", "a.dsl", "-t", "nft")
    _spoil(state, 3)
    assert "generation 2 is in place again" in shell.svcc("rollback", "2", "-q").stdout.replace("G", "g")
    assert shell.endpoints() == B
    assert shell.svcc("status").stderr == ""
    assert (state / "000003.json").exists()


@pytest.mark.parametrize("words", [("restore",), ("rollback",)], ids=" ".join)
def test_what_is_not_confirmed_goes_where_its_record_is_damaged(
    shell: Shell, state: Path, words: tuple[str, ...]
) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft")
    shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "600")
    end_watchdog(shell)
    _spoil(state, 2)
    time_runs_out(shell)
    assert shell.endpoints() == B
    assert "the last apply was not confirmed: generation 1 is back" in shell.svcc(*words).stderr
    assert shell.endpoints() == A
    assert shell.svcc("status").stderr == ""

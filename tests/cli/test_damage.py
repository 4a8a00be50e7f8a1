"""A state directory that is damaged, or somebody else's: svcc says so, and commands can go on from what the kernel
holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.damages import DAMAGES
from support.shell import A, B, Shell
from svcc.apply.state_files import StoreError
from svcc.apply.store import Store

pytestmark = pytest.mark.kernel


_FILES = ("current", "000001.json", "000001.bundle", "000001.services")
#: Each file with each damage; of an apply under way or unconfirmed, none need be there.
_CASES = [
    (name, what)
    for name in (*_FILES, "journal.json", "confirm.json")
    for what in DAMAGES
    if what != "missing" or name in _FILES
]


@pytest.mark.parametrize(("name", "damage"), _CASES)
def test_delete_goes_on_from_the_kernel(shell: Shell, name: str, damage: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft", "-q")
    DAMAGES[damage](shell.folder / "state/custom" / name)
    plan = () if name in ("000001.bundle", "000001.services") else (["plan", "a.dsl", "-t", "nft"],)  # it needs neither
    for words in (["status"], ["status", "--json"], *plan):
        said = shell.svcc(*words, status=3).stderr
        assert f"custom/{name} is damaged (" in said
        assert said.endswith("run `svcc apply` or `svcc delete`: both go on from what is in the kernel\n")
    assert f"custom/{name} is damaged (" in shell.svcc("delete", "--yes", "-q").stderr
    assert shell.endpoints() == set()
    shell.svcc("apply", "b.dsl", "-t", "nft", "-q")
    assert shell.endpoints() == B


@pytest.mark.parametrize(("name", "damage"), _CASES)
def test_the_next_apply_goes_on_from_the_kernel(shell: Shell, name: str, damage: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft", "-q")
    DAMAGES[damage](shell.folder / "state/custom" / name)
    assert f"custom/{name} is damaged (" in shell.svcc("apply", "b.dsl", "-t", "nft", "-q").stderr
    assert shell.endpoints() == B
    assert shell.svcc("status").stderr == ""


# ---- somebody else's


def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "state"
    root.mkdir()
    for mode in (0o777, 0o720):
        root.chmod(mode)
        with pytest.raises(StoreError, match="others may write to"), Store(root).locked():
            pass
        with pytest.raises(StoreError, match="others may write to"):
            Store(root).installations()


@pytest.mark.parametrize("folder", ["state", "state/custom"])
@pytest.mark.parametrize(
    "words",
    [
        *(["status"], ["history"], ["show"], ["show", "1"], ["rollback", "--yes"], ["confirm"], ["restore"]),
        *(["delete", "--yes"], ["delete", "--all", "--yes"], ["plan", "b.dsl", "-t", "nft"], ["diff", "1", "b.dsl"]),
        ["apply", "b.dsl", "-t", "nft"],
    ],
    ids=" ".join,
)
def test_every_command_says_so_and_changes_nothing(shell: Shell, words: list[str], folder: str) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft", "-q")
    (shell.folder / folder).chmod(0o777)
    said = shell.svcc(*words, status=3)
    assert said.stdout == ""
    assert said.stderr.startswith(f"svcc: others may write to {shell.folder / folder}, and change what is applied")
    assert len(said.stderr.splitlines()) == 1
    assert shell.endpoints() == A


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "state"
    root.mkdir(mode=0o700)
    os.chown(root, 65534, 65534)
    with pytest.raises(StoreError, match="belongs to somebody else"), Store(root).locked():
        pass


def test_a_lock_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    root, precious = tmp_path / "state", tmp_path / "precious"
    root.mkdir(mode=0o700)
    precious.write_text("data")
    (root / "lock").symlink_to(precious)
    for taken in (Store(root).locked(), Store(root).reading()):
        with pytest.raises(StoreError, match="is a symbolic link"), taken:
            pass
    assert precious.read_text() == "data"


def test_nor_is_a_log_of_the_watchdog(shell: Shell) -> None:
    shell.svcc("apply", "a.dsl", "-t", "nft", "-q")
    (shell.folder / "state/custom/watchdog.log").symlink_to(shell.folder / "precious")
    said = shell.svcc("apply", "b.dsl", "-t", "nft", "--confirm", "60", status=3).stderr
    assert "watchdog.log is a symbolic link, which svcc does not follow" in said
    assert not (shell.folder / "precious").exists()
    assert shell.endpoints() == A


def test_a_state_directory_that_is_a_link_to_nowhere_is_said_to_be_one(shell: Shell) -> None:
    (shell.folder / "dang").symlink_to(shell.folder / "gone")
    said = shell.svcc("apply", "a.dsl", "-t", "nft", "-q", "--state-dir", "dang", status=3).stderr
    assert said == "svcc: dang: it is a symbolic link that leads nowhere\n"

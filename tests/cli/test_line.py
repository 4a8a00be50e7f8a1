"""The command line as a whole: commands, options, versions, completion."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from support.command_line import PROGRAM, environment, program, svcc
from support.waiting import LID
from svcc.command_line import COMMANDS
from svcc.targets import targets


def test_the_version_is_that_of_the_package() -> None:
    done = svcc("--version")
    assert (done.status, done.text, done.err) == (0, f"svcc {version('svcc')}\n", "")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_the_commands(option: str) -> None:
    done = svcc(option)
    assert (done.status, done.err) == (0, "")
    assert re.findall(r"^  ([a-z]+)  ", done.text.partition("Commands:")[2], re.MULTILINE) == list(COMMANDS)


def test_commands_are_listed_in_order() -> None:
    assert list(COMMANDS) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = svcc(name, "--help")
    assert (done.status, done.err) == (0, "")
    assert done.text.startswith(f"Usage: svcc {name} ")


def test_help_names_the_targets_that_there_are() -> None:
    words = [word.strip("[]") for word in svcc("compile", "--help").text.split()]
    assert "|".join(targets()) in words


def test_without_a_command_the_help_is_an_error() -> None:
    done = svcc()
    assert done.status in (0, 2), "click changed its mind in 8.2"
    assert "Usage: svcc" in done.text + done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "x", "--json", "--format", "sarif"], "--json and --format sarif: choose one"),
        (["check", "x", "--format", "text", "--json"], "--json and --format text: choose one"),
        (["diff", "x", "y", "--json", "--format", "markdown"], "--json and --format markdown: choose one"),
        (["compile", "x", "-t", "nft", "-t", "ipvs"], "-t nft and -t ipvs: choose one"),
        (["plan", "x", "--target", "nft", "-t", "ipvs"], "-t nft and -t ipvs: choose one"),
        (["diff", "x", "y", "-t", "nft", "-t", "ipvs"], "-t nft and -t ipvs: choose one"),
        (["agent", "x", "-t", "nft", "-t", "ipvs"], "-t nft and -t ipvs: choose one"),
        (["compile", "x", "-t", "nft", "-n", "a", "--node", "b"], "-n a and -n b: choose one"),
    ],
)
def test_options_that_contradict_are_refused(arguments: list[str], message: str) -> None:
    done = svcc(*arguments)
    assert (done.status, done.out) == (2, b"")
    assert message in done.err


_ETCD = ("--fleet", "shop", "--etcd", "http://127.0.0.1:1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fleet", "status", *_ETCD, "--interval", "5"], "--interval goes with --watch"),
        (["status", "--interval", "2"], "--interval goes with --watch"),
        (["rollout", "--resume", *_ETCD, "--stage", "all"], "--stage goes with RELEASE"),
        (["rollout", "--back", *_ETCD, "--soak", "60s"], "--soak goes with RELEASE"),
        (["rollout", "--pause", *_ETCD, "--patience", "5m"], "--patience goes with RELEASE"),
        (["rollout", "--resume", *_ETCD, "--max-failed", "1"], "--max-failed goes with RELEASE"),
        (["agent", "x", "-t", "nft", "--signers", __file__], "--signers goes with --fleet"),
        (["agent", "x", "-t", "nft", "--confirm", "20"], "--confirm goes with --fleet"),
        (["agent", "--kubernetes", "x", "-n", "n", "-t", "nft", "--lease", "5"], "--lease goes with --fleet"),
        (["agent", "x", "-t", "nft", "--etcd-ca", "ca.pem"], "--etcd-ca goes with --fleet"),
        (["agent", "--kubernetes", "-n", "n", "-t", "nft", "--context", "c"], "--context goes with a KUBECONFIG"),
        (["diff", "x", "y", "--prefix", "A"], "--prefix goes with the number of a generation"),
        (["diff", "3", "4", "--node", "n"], "--node goes with a program"),
        (["diff", "x", "4", "--target", "nft"], "--target goes with --objects, or with a folder"),
    ],
)
def test_an_option_that_means_nothing_there_is_refused(arguments: list[str], message: str) -> None:
    done = svcc(*arguments)
    assert (done.status, done.out) == (2, b"")
    assert f"Error: {message}" in done.err


def test_variables_of_the_environment_are_for_many_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVCC_ETCD_CA", "ca.pem")
    assert "--etcd-ca" not in svcc("agent", "x", "--kubernetes", "-t", "nft").err


def test_options_that_say_the_same_twice_are_taken(tmp_path: Path) -> None:
    (tmp_path / "a.dsl").write_text("service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.9 } }\n")
    once = svcc("compile", tmp_path / "a.dsl", "-t", "nft")
    assert (once.status, svcc("compile", tmp_path / "a.dsl", "-t", "nft", "--target", "nft").out) == (0, once.out)
    once = svcc("check", tmp_path / "a.dsl", "--json")
    assert (once.status, svcc("check", tmp_path / "a.dsl", "--json", "--format", "json").out) == (0, once.out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["complie"], "no command `complie`: did you mean `compile`?"),
        (["chekc", "x"], "no command `chekc`: did you mean `check`?"),
        (["xyzzy"], "no command `xyzzy`"),
        (["--verison"], "No such option"),
        (["compile", "--tagret", "nft", "x"], "--target"),
        (["check", "--fromat", "json", "x"], "--format"),
    ],
)
def test_what_is_unknown_is_an_error_with_a_guess(arguments: list[str], message: str) -> None:
    done = svcc(*arguments)
    assert (done.status, done.out) == (2, b"")
    assert message in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "--state-dir", ""],
        ["compile", "", "-t", "nft"],
        ["compile", "x.dsl", "-t", "nft", "-o", ""],
        ["compile", "x.dsl", "-t", "nft", "--check", ""],
        ["import", "ipvsadm", "x", "-o", ""],
        ["diff", "", "x.dsl"],
    ],
)
def test_an_empty_word_is_no_path(arguments: list[str]) -> None:
    """A script's variable that is not set is not the current directory."""
    done = svcc(*arguments)
    assert (done.status, done.out) == (2, b"")
    assert done.err.endswith(": it is empty\n")


@pytest.mark.parametrize("words", [["check"], ["fmt"], ["diff"], ["import", "ipvsadm"]])
def test_standard_input_is_read_only_once(words: list[str]) -> None:
    """The second time it would be taken for an empty file, from which every service is gone."""
    done = svcc(*words, "-", "-", stdin=b"service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }\n")
    assert (done.status, done.out) == (2, b"")
    assert done.err.endswith(": standard input (-) can be read only once\n")


_IR = '{"svcc": 1, "services": []}\n'


@pytest.mark.parametrize(
    ("words", "option", "output"),
    [
        ("import ipvsadm other in -o in", "--output", "in"),
        ("import ipvsadm in -o other --report link", "--report", "link"),
        ("import ipvsadm - -o ./in", "--output", "in"),
        ("export kubernetes --kubeconfig in -o link", "--output", "link"),
        ("compile ir.json -t ir -o .", "--output", "ir.json"),
        ("verify in -t nft --junit link", "--junit", "link"),
        ("verify including -t nft --junit in", "--junit", "in"),
    ],
)
def test_no_output_takes_the_place_of_an_input(
    words: str, option: str, output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {"in": "service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }\n", "other": "", "ir.json": _IR}
    texts["including"] = 'include "in"\n'
    for name, text in texts.items():
        Path(name).write_text(text)
    Path("link").symlink_to("in")
    with open("in", "rb") as file:
        done = subprocess.run(
            [PROGRAM, *words.split()], stdin=file, capture_output=True, text=True, check=False, timeout=LID
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"{option} {output}: this is what the command reads, and would be lost\n")
    assert {name: Path(name).read_text() for name in texts} == texts
    assert Path("link").is_symlink()


def test_a_current_directory_that_is_gone_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.dsl").touch()
    words = ["bash", "-c", 'mkdir gone; cd gone; rmdir ../gone; exec "$0" check ../x.dsl', str(PROGRAM)]
    # Python itself fails there where it is told of a folder that is relative to the current one.
    done = subprocess.run(
        words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=LID
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "svcc: the current directory is gone: No such file or directory\n"


def test_the_installed_program_and_the_module_are_the_same(tmp_path: Path) -> None:
    outputs = {
        subprocess.run([*command, "--version"], capture_output=True, check=True, cwd=tmp_path, timeout=LID).stdout
        for command in ([str(PROGRAM)], [sys.executable, "-m", "svcc"])
    }
    assert outputs == {svcc("--version").out}


# ---- completion


def completions(*words: str) -> list[str]:
    """What bash is offered for the last word."""
    line = {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1), "_SVCC_COMPLETE": "bash_complete"}
    done = program(env=environment(**line))
    assert (done.status, done.err) == (0, "")
    return [entry.partition(",")[2] for entry in done.text.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_given_a_script(shell: str) -> None:
    done = program(env=environment(_SVCC_COMPLETE=f"{shell}_source"))
    assert done.status == 0
    assert "_SVCC_COMPLETE" in done.text
    assert f"{shell}_complete" in done.text


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["svcc", "c"], [name for name in COMMANDS if name.startswith("c")]),
        (["svcc", "compile", "--target", ""], list(targets())),
        (["svcc", "compile", "-t", "ip"], [name for name in targets() if name.startswith("ip")]),
        (["svcc", "check", "--format", ""], ["text", "json", "sarif", "github"]),
        (["svcc", "compile", "--che"], ["--check"]),
    ],
)
def test_what_is_completed(words: list[str], offered: list[str]) -> None:
    assert completions(*words) == offered

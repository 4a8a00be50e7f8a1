"""``svcc explain``: every code, with examples that are tested."""

from __future__ import annotations

import os
import pty
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from support.command_line import PROGRAM, environment, svcc
from support.explained import check, codes, refusals
from support.laid_out import is_text_of_the_language, laid_out
from support.shell import Shell
from svcc.compiler.codes import Code
from svcc.compiler.explanations import explanations

EXPLAINED = explanations()
CHECKED = [code for code, e in EXPLAINED.items() if e.bundle is None and e.machine is None]
BUNDLED = [code for code, e in EXPLAINED.items() if e.bundle is not None]


#: The iptables extension that the machine of the example lacks.
MATCH = "libxt_recent.so"


def by_id(code: Code) -> str:
    return code.id


@pytest.mark.parametrize("code", CHECKED, ids=by_id)
def test_the_example_gives_the_code_and_mended_gives_nothing(code: Code, tmp_path: Path) -> None:
    explanation = EXPLAINED[code]
    before = check(explanation, explanation.before, explanation.encoding, tmp_path, "--format", "json")
    assert set(codes(before)) == {code.id}
    after = check(explanation, explanation.after, "utf-8", tmp_path)
    assert (after.status, "[SVC" in after.err) == (0, False)
    assert explanation.importer or (after.text.startswith(f"{explanation.file}: "), after.err) == (True, "")


@pytest.mark.parametrize("code", BUNDLED, ids=by_id)
def test_the_line_is_refused_and_mended_is_what_the_target_prints(code: Code) -> None:
    before, after = refusals(EXPLAINED[code])
    assert before is not None
    assert before.startswith(f"error[{code.id}]")
    assert after is None


def test_every_code_has_an_example_of_some_kind() -> None:
    assert {*CHECKED, *BUNDLED, Code.REFUSED} == set(Code)


@pytest.mark.parametrize("code", Code, ids=by_id)
def test_examples_are_in_the_one_layout(code: Code) -> None:
    for text in (EXPLAINED[code].before, EXPLAINED[code].after):
        assert not is_text_of_the_language(text) or laid_out(text) == text


def test_a_code_is_explained() -> None:
    done = svcc("explain", "SVC062")
    assert (done.status, done.err) == (0, "")
    assert (
        done.text
        == """\
SVC062: a limit of the target is exceeded

The target could express it, but only with more rules or objects than are reasonable, or than the
kernel takes. The message says what grows, the hint how much is possible and which target has no
such limit.

Before, with --target iptables:

  service web {
    vip       198.19.0.1
    port      80/tcp
    scheduler wrr
    endpoints { 100.64.0.9 weight 9999; 100.64.0.10 }
  }

After:

  service web {
    vip       198.19.0.1
    port      80/tcp
    scheduler wrr
    endpoints { 100.64.0.9 weight 9; 100.64.0.10 }
  }
"""
    )
    assert svcc("explain", "svc062") == svcc("explain", "62") == done
    assert svcc("explain", "62", "12").text == f"{done.text}\n{svcc('explain', 'SVC012').text}"


def test_without_a_code_all_are_listed() -> None:
    lines = svcc("explain").text.splitlines()
    assert lines == sorted(f"{code.id}  {code.title}" for code in Code)


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("SVCO12", "did you mean `SVC012`?"),
        ("nft", "svcc explain lists them all"),
    ],
)
def test_an_unknown_code_is_answered_with_one_that_is_close(word: str, hint: str) -> None:
    done = svcc("explain", word)
    assert (done.status, done.out) == (2, b"")
    assert f"no code `{word}`: {hint}" in done.err


@pytest.mark.kernel
def test_a_machine_refuses_what_it_lacks_and_takes_it_mended(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extension is hidden from iptables."""
    explanation = EXPLAINED[Code.REFUSED]
    assert explanation.target is not None
    hidden = shell.folder / "xtables"
    hidden.mkdir()
    for plugin in Path("/usr/lib").glob("*/xtables/*.so"):
        if plugin.name != MATCH:
            (hidden / plugin.name).symlink_to(plugin)
    monkeypatch.setenv("XTABLES_LIBDIR", str(hidden))
    (shell.folder / "main.dsl").write_text(explanation.before)
    said = shell.svcc("apply", "main.dsl", "-t", explanation.target, status=4).stderr
    assert "error[SVC070]" in said
    (shell.folder / "main.dsl").write_text(explanation.after)
    shell.svcc("apply", "main.dsl", "-t", explanation.target)


def test_a_terminal_is_told_where_to_read_on(tmp_path: Path) -> None:
    (tmp_path / "a.dsl").write_text("cluster { mark 3; prefix a/b; pods 1.2.3.4/8 fd00::/200; nodeports 1-0 }\n")
    user, terminal = pty.openpty()
    command = [str(PROGRAM), "check", "a.dsl"]
    subprocess.run(command, cwd=tmp_path, stderr=terminal, stdout=terminal, env=environment(TERM="dumb"), check=False)
    os.close(terminal)
    said = _until_it_ends(user).replace("\r\n", "\n")
    assert said.endswith("\n\nsvcc explain SVC024 SVC013 SVC032 says more.\n")
    assert "svcc explain" not in svcc("check", tmp_path / "a.dsl").err


def _until_it_ends(terminal: int) -> str:
    """What is on a terminal that nobody writes to any more (reading it then is an error, EIO)."""
    found = b""
    with suppress(OSError):
        while piece := os.read(terminal, 4096):
            found += piece
    os.close(terminal)
    return found.decode()

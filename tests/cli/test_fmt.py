"""``svcc fmt``: which files it writes, what it prints, and how it ends."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from support.command_line import svcc
from support.files import EXAMPLES
from support.schemas import follows

LOOSE = "service   a{vip 198.19.0.1;port 80/tcp # web\nendpoints{100.64.0.1}}"
NEAT = """\
service a {
  vip  198.19.0.1
  port 80/tcp                           # web
  endpoints { 100.64.0.1 }
}
"""
BROKEN = "service a { vpi 198.19.0.1 }\n"
DIFF = """\
--- loose.dsl
+++ loose.dsl (svcc fmt)
@@ -1,2 +1,5 @@
-service   a{vip 198.19.0.1;port 80/tcp # web
-endpoints{100.64.0.1}}
\\ No newline at end of file
+service a {
+  vip  198.19.0.1
+  port 80/tcp                           # web
+  endpoints { 100.64.0.1 }
+}
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"loose": LOOSE, "neat": NEAT, "broken": BROKEN}.items():
        Path(f"{name}.dsl").write_text(text)


def test_a_comment_that_makes_a_line_look_other_than_it_is_is_refused() -> None:
    Path("turned.dsl").write_text(f"# a \u202e b\n{NEAT}")
    for words in ([], ["--check"], ["--diff"]):
        said = svcc("fmt", "turned.dsl", *words)
        assert (said.status, said.err.startswith("error[SVC001]: U+202E")) == (2, True)
    Path("umlaut.dsl").write_text(f"# \u00e4\n{NEAT}")
    assert svcc("fmt", "--check", "umlaut.dsl").text == ""


def test_a_file_is_rewritten_and_named_once() -> None:
    done = svcc("fmt", "loose.dsl")
    assert (done.status, done.out, done.err) == (0, b"", "loose.dsl\n")
    assert Path("loose.dsl").read_text() == NEAT
    done = svcc("fmt", "loose.dsl")
    assert (done.status, done.out, done.err) == (0, b"", "")


def test_what_is_laid_out_is_not_written() -> None:
    before = Path("neat.dsl").stat()
    assert svcc("fmt", "neat.dsl").status == 0
    assert Path("neat.dsl").stat() == before


def test_check_names_the_files_and_writes_none() -> None:
    done = svcc("fmt", "--check", "loose.dsl", "neat.dsl")
    assert (done.status, done.text, done.err) == (1, "loose.dsl\n", "")
    assert Path("loose.dsl").read_text() == LOOSE
    done = svcc("fmt", "--check", "neat.dsl")
    assert (done.status, done.text, done.err) == (0, "", "")


@pytest.mark.parametrize("options", [["--diff"], ["--diff", "--check"]])
def test_diff_shows_what_would_change_and_writes_nothing(options: list[str]) -> None:
    done = svcc("fmt", *options, "neat.dsl", "loose.dsl")
    assert (done.status, done.text, done.err) == (1, DIFF, "")
    assert Path("loose.dsl").read_text() == LOOSE
    assert svcc("fmt", *options, "neat.dsl") == svcc("fmt", "neat.dsl")


def test_check_and_diff_answer_in_json() -> None:
    done = svcc("fmt", "--check", "--json", "neat.dsl", "loose.dsl")
    loose = {"file": "loose.dsl", "differs": True, "diff": None}
    neat = {"file": "neat.dsl", "differs": False, "diff": None}
    assert (done.status, done.err) == (1, "")
    assert follows("fmt", done.text) == {"version": 1, "differs": True, "files": [neat, loose]}
    assert Path("loose.dsl").read_text() == LOOSE
    done = svcc("fmt", "--diff", "--json", "-", "neat.dsl", stdin=LOOSE)
    piped = {"file": "<stdin>", "differs": True, "diff": DIFF.replace("loose.dsl", "<stdin>")}
    assert (done.status, done.err) == (1, "")
    assert follows("fmt", done.text) == {"version": 1, "differs": True, "files": [piped, {**neat, "diff": ""}]}
    done = svcc("fmt", "--check", "--json", "neat.dsl")
    assert (done.status, follows("fmt", done.text)) == (0, {"version": 1, "differs": False, "files": [neat]})


def test_json_of_files_with_errors_is_empty() -> None:
    done = svcc("fmt", "--check", "--json", "loose.dsl", "broken.dsl")
    assert (done.status, done.out) == (2, b"")
    assert "did you mean `vip`?" in done.err


def test_json_without_a_question_is_refused() -> None:
    done = svcc("fmt", "--json", "loose.dsl")
    assert (done.status, done.out) == (2, b"")
    assert "--json is for --check and --diff" in done.err
    assert Path("loose.dsl").read_text() == LOOSE


def test_standard_input_goes_to_standard_output() -> None:
    done = svcc("fmt", "-", stdin=LOOSE)
    assert (done.status, done.text, done.err) == (0, NEAT, "")
    done = svcc("fmt", "--check", "-", stdin=LOOSE)
    assert (done.status, done.text, done.err) == (1, "<stdin>\n", "")
    assert svcc("fmt", "-", stdin="") == svcc("fmt", "neat.dsl")


def test_a_file_with_errors_is_left_and_the_others_are_laid_out() -> None:
    done = svcc("fmt", "broken.dsl", "loose.dsl")
    assert (done.status, done.out) == (2, b"")
    assert done.err == f"loose.dsl\n{svcc('check', 'broken.dsl').err}"
    assert Path("broken.dsl").read_text() == BROKEN
    assert Path("loose.dsl").read_text() == NEAT
    done = svcc("fmt", "-", stdin=BROKEN)
    assert (done.status, done.out) == (2, b"")


def test_only_the_syntax_is_looked_at() -> None:
    """Neither names that are not declared, nor includes of nothing, stand in the way."""
    text = 'include "nowhere/*.dsl"\n\nservice a { vip $nobody; endpoints nothing }\n'
    done = svcc("fmt", "-", stdin=text)
    assert (done.status, done.text, done.err) == (0, text, "")


def test_a_folder_is_refused_with_what_to_write() -> None:
    Path("folder").mkdir()
    assert svcc("fmt", "folder").err == (
        "error[SVC005]: cannot read folder: Is a directory\n --> folder\n  = hint: name its files\n"
    )
    Path("folder/a.dsl").write_text(LOOSE)
    done = svcc("fmt", "folder/")
    assert (done.status, done.out) == (2, b"")
    assert done.err.endswith("  = hint: name its files: svcc fmt folder/*.dsl\n")
    assert Path("folder/a.dsl").read_text() == LOOSE


def test_json_is_refused_with_what_to_write() -> None:
    Path("ir.json").write_bytes(svcc("compile", "neat.dsl", "-t", "ir").out)
    done = svcc("fmt", "ir.json")
    assert (done.status, done.out) == (2, b"")
    assert done.err.startswith("error[SVC001]: this is JSON, which fmt does not lay out\n --> ir.json:1:1\n")
    assert done.err.endswith("  = hint: svcc compile ir.json --target ir prints a program as JSON in its one layout\n")


@pytest.mark.parametrize(
    ("program", "options"),
    [
        *((LOOSE, options) for options in ("iptables", "ipvs", "nft", "nft --syntax nft")),
        *(("cluster { prefix Mine }\n", options) for options in ("nft", "nft --syntax nft")),
    ],
)
def test_what_was_compiled_is_no_program(program: str, options: str) -> None:
    Path("bundle").write_bytes(svcc("compile", "-", "-t", *options.split(), stdin=program).out)
    for words in (("fmt",), ("check",), ("compile", "-t", "nft"), ("import", "iptables")):
        done = svcc(*words, "bundle")
        assert (done.status, done.out) == (2, b"")
        assert done.err.startswith("error[SVC080]: this is a bundle, which was compiled already\n"), words
        assert "svcc plan, apply, diff and trace take the bundle itself" in done.err


def test_json_of_other_programs_is_called_so() -> None:
    Path("other.json").write_text('{"apiVersion": "v1", "kind": "Service"}')
    done = svcc("fmt", "other.json")
    assert (done.status, done.out) == (2, b"")
    assert done.err == svcc("check", "other.json").err


@pytest.mark.parametrize(("data", "code"), [(b"# \xff\n", "SVC004"), (b"a\0", "SVC004"), (None, "SVC005")])
def test_what_is_no_text_is_refused(data: bytes | None, code: str) -> None:
    if data is not None:
        Path("odd.dsl").write_bytes(data)
    done = svcc("fmt", "odd.dsl")
    assert (done.status, done.out) == (2, b"")
    assert done.err.startswith(f"error[{code}]")
    assert data is None or Path("odd.dsl").read_bytes() == data


def test_line_ends_stay_as_the_first_and_a_byte_order_mark_goes() -> None:
    Path("other.dsl").write_bytes(b"\xef\xbb\xbf" + LOOSE.replace("\n", "\r\n").encode())
    assert svcc("fmt", "other.dsl").status == 0
    assert Path("other.dsl").read_bytes() == NEAT.replace("\n", "\r\n").encode()


# ---- the file itself


def test_mode_and_owner_are_kept_and_nothing_is_left_beside_it() -> None:
    path = Path("loose.dsl")
    path.chmod(0o640)
    if os.geteuid() == 0:  # nobody else may give files away
        os.chown(path, 4242, 4243)
    before = path.stat()
    assert svcc("fmt", "loose.dsl").status == 0
    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino, "it was written in place: whoever read it then has read half of it"
    assert sorted(os.listdir()) == ["broken.dsl", "loose.dsl", "neat.dsl"]


def test_a_link_stays_and_what_it_leads_to_is_rewritten() -> None:
    Path("far").mkdir()
    Path("loose.dsl").rename("far/away.dsl")
    Path("near.dsl").symlink_to("far/away.dsl")
    assert svcc("fmt", "near.dsl").err == "near.dsl\n"
    assert stat.S_ISLNK(Path("near.dsl").lstat().st_mode)
    assert Path("far/away.dsl").read_text() == NEAT


@pytest.mark.parametrize("step", ["fchown", "fchmod", "fsync", "replace"])
def test_a_file_that_cannot_be_written_is_as_it_was(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if step == "fchown":
        monkeypatch.setattr("svcc.rewriting._is_given", lambda *_: False)
    monkeypatch.setattr(os, step, refuse)
    done = svcc("fmt", "loose.dsl", "neat.dsl")
    assert (done.status, done.out, done.err) == (3, b"", "svcc: cannot write loose.dsl: No space left on device\n")
    assert Path("loose.dsl").read_text() == LOOSE
    assert sorted(os.listdir()) == ["broken.dsl", "loose.dsl", "neat.dsl"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_examples_are_laid_out(example: Path) -> None:
    done = svcc("fmt", "--diff", example, *(example.parent / example.stem).glob("**/*.dsl"))
    assert (done.status, done.text, done.err) == (0, "", "")

"""``svcc import``: where the program and the report go, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import program, svcc
from svcc.compiler.importers import importers

FINE = "-A -t 198.51.100.10:80 -s rr\n-a -t 198.51.100.10:80 -r 10.0.0.1:80 -m -w 1\n"
WITH_MORE = FINE.replace("-s rr", "-s rr --pe sip")
BROKEN = FINE.replace("-s rr", "-S")
TEXT = """\
service tcp-198.51.100.10-80 {
  vip        198.51.100.10 shared
  port       80/tcp
  scheduler  rr
  masquerade never
  endpoints {
    10.0.0.1
  }
}
"""
NOTED = "more-said:1:30: not carried over: --pe sip: svcc has no persistence engines\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"fine": FINE, "more-said": WITH_MORE, "broken": BROKEN}.items():
        Path(name).write_text(text)


def test_all_of_it_is_carried_over() -> None:
    done = svcc("import", "ipvsadm", "fine")
    assert (done.status, done.text) == (0, TEXT)
    assert done.err == "svcc: 1 service with 1 endpoint; all of it carried over\n"


def test_something_is_left_out() -> None:
    done = svcc("import", "ipvsadm", "more-said")
    assert (done.status, done.text) == (1, TEXT)
    assert done.err == f"{NOTED}svcc: 1 service with 1 endpoint; 1 thing not carried over\n"


def test_from_standard_input() -> None:
    assert svcc("import", "ipvsadm", "-", stdin=FINE).text == TEXT


def test_several_files_are_one_program() -> None:
    Path("more").write_text(FINE.replace(".10:", ".11:"))
    done = svcc("import", "ipvsadm", "fine", "more")
    assert done.status == 0
    assert done.text.count("service tcp-198.51.100.1") == 2


@pytest.mark.parametrize("kind", importers())
@pytest.mark.parametrize("text", ["", "\n \r\n", "\ufeff"])
def test_empty_input_is_refused(kind: str, text: str) -> None:
    done = svcc("import", kind, "-", "-o", "fine", stdin=text)
    assert (done.status, done.text, Path("fine").read_text()) == (2, "", FINE)
    assert done.err.startswith("error[SVC090]: the input is empty\n")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ipvsadm", "# nothing yet\n"),
        ("keepalived", "! nothing yet\n"),
        ("iptables", "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"),
        ("kubernetes", "apiVersion: v1\nitems: []\nkind: List\n"),
        ("nftlb", '{"farms": []}'),
    ],
)
def test_there_may_be_nothing_to_import(kind: str, text: str) -> None:
    done = svcc("import", kind, "-", stdin=text)
    assert (done.status, done.text, done.err) == (0, "", "svcc: nothing found to import\n")


def test_one_of_several_may_be_empty() -> None:
    Path("empty").touch()
    assert svcc("import", "ipvsadm", "empty", "fine").text == TEXT
    assert svcc("import", "ipvsadm", "empty", "empty").err.count("the input is empty") == 2


def test_the_report_as_json() -> None:
    done = svcc("import", "ipvsadm", "more-said", "--json")
    assert (done.status, done.text) == (1, TEXT)
    place = {"file": "more-said", "line": 1, "column": 30, "end_line": 1, "end_column": 38}
    notes = [{**place, "text": "--pe sip", "reason": "svcc has no persistence engines"}]
    assert json.loads(done.err) == {"version": 1, "kind": "ipvsadm", "services": 1, "endpoints": 1, "notes": notes}


def test_into_files() -> None:
    Path("shop.dsl").write_text("what was there")
    done = svcc("import", "ipvsadm", "more-said", "--output", "shop.dsl", "--report", "report")
    assert (done.status, done.out, done.err) == (1, b"", "")
    assert Path("shop.dsl").read_text() == TEXT
    assert Path("report").read_text().startswith(NOTED)
    assert sorted(path.name for path in Path().iterdir()) == ["broken", "fine", "more-said", "report", "shop.dsl"]


def test_a_link_stays_a_link() -> None:
    Path("real.dsl").write_text("what was there")
    Path("shop.dsl").symlink_to("real.dsl")
    assert svcc("import", "ipvsadm", "fine", "-o", "shop.dsl").status == 0
    assert Path("shop.dsl").is_symlink()
    assert Path("real.dsl").read_text() == TEXT


def test_what_is_no_file_is_written_to() -> None:
    done = program("import", "ipvsadm", "more-said", "-o", "/dev/stdout", "--report", "/dev/null")
    assert (done.status, done.out.decode(), done.err) == (1, TEXT, "")
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("option", ["--output", "--report"])
def test_where_nothing_can_be_written_nothing_is(option: str) -> None:
    other = {"--output": "--report", "--report": "--output"}[option]
    done = svcc("import", "ipvsadm", "more-said", option, "nowhere/file", other, "file")
    assert (done.status, done.out) == (3, b"")
    assert done.err == f"svcc: cannot write {Path.cwd()}/nowhere/file: No such file or directory\n"
    assert not Path("file").exists()


def test_what_has_no_room_is_named() -> None:
    done = svcc("import", "ipvsadm", "more-said", "-o", "/dev/full")
    assert (done.status, done.out) == (3, b"")
    assert done.err == "svcc: cannot write /dev/full: No space left on device\n"


@pytest.mark.parametrize("arguments", [["broken"], ["fine", "broken"], ["nothing-there"], ["."]])
def test_what_cannot_be_read_leaves_all_as_it_was(arguments: list[str]) -> None:
    Path("shop.dsl").write_text("what was there")
    done = svcc("import", "ipvsadm", *arguments, "-o", "shop.dsl", "--report", "report")
    assert (done.status, done.out) == (2, b"")
    assert done.err.startswith("error[SVC")
    assert Path("shop.dsl").read_text() == "what was there"
    assert not Path("report").exists()


def test_findings_for_machines() -> None:
    done = svcc("import", "ipvsadm", "broken", "--format", "json")
    found = json.loads(done.err)["diagnostics"]
    assert (done.status, [(d["code"], d["line"], d["column"]) for d in found]) == (2, [("SVC090", 1, 24)])


def test_a_kind_that_is_none() -> None:
    said = {kind: svcc("import", kind, "fine") for kind in ("lvs", "ipvsad", "apache")}
    assert {kind: done.status for kind, done in said.items()} == dict.fromkeys(said, 2)
    assert "no kind `lvs`: did you mean `ipvsadm`?" in said["lvs"].err
    assert "no kind `ipvsad`: did you mean `ipvsadm`?" in said["ipvsad"].err
    assert f"no kind `apache`: it is {next(iter(importers()))}" in said["apache"].err


def test_one_file_for_both() -> None:
    Path("link").symlink_to("x")
    for report in ("x", "link"):
        done = svcc("import", "ipvsadm", "fine", "-o", "x", "--report", report)
        assert done.status == 2
        assert "--output and --report are one file" in done.err

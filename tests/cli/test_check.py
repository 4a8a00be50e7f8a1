"""``svcc check``: what it says of files, as text and for machines, and how it ends."""

from __future__ import annotations

import json
import os
from errno import EACCES
from pathlib import Path

import pytest

from support.command_line import svcc
from support.files import EXAMPLES
from svcc.compiler.report import FORMATS
from svcc.targets import targets

FINE = "service a { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }\n"
UNUSED = "let x = 10.0.0.0/8\n" + FINE
BROKEN = FINE.replace("vip", "vpi")
ONLY_IPVS = FINE.replace("endpoints", "forward direct; endpoints")
NOBODY = ONLY_IPVS.replace("endpoints", "scheduler random; endpoints")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {"fine": FINE, "unused": UNUSED, "broken": BROKEN, "ipvs": ONLY_IPVS, "nobody": NOBODY}.items():
        Path(f"{name}.dsl").write_text(text)


def codes(text: str) -> list[str]:
    return [diagnostic["code"] for diagnostic in json.loads(text)["diagnostics"]]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_examples_are_fine(example: Path) -> None:
    done = svcc("check", example)
    assert (done.status, done.err) == (0, "")
    assert done.text.startswith(f"{example}: ")


def test_an_error_is_status_2_and_told_to_people_on_standard_error() -> None:
    done = svcc("check", "broken.dsl")
    assert (done.status, done.out) == (2, b"")
    assert done.err == (
        "error[SVC002]: no statement `vpi` in `service`\n"
        " --> broken.dsl:1:13\n"
        f"1 | {BROKEN}"
        "  |             ^^^\n"
        "  = hint: did you mean `vip`?\n"
    )


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "text"])
@pytest.mark.parametrize("name", ["fine", "unused", "broken"])
def test_machines_read_standard_output(form: str, name: str) -> None:
    done = svcc("check", f"{name}.dsl", "--format", form)
    assert (done.status, done.err) == (2 if name == "broken" else 0, "")
    if form == "json":
        assert codes(done.text) == {"fine": [], "unused": ["SVC012"], "broken": ["SVC002"]}[name]
    elif form == "sarif":
        results = json.loads(done.text)["runs"][0]["results"]
        assert [r["ruleId"] for r in results] == {"fine": [], "unused": ["SVC012"], "broken": ["SVC002"]}[name]
    else:
        assert done.text.count("\n") == (name != "fine")


def test_warnings_are_status_0_and_quiet_leaves_them_out() -> None:
    done = svcc("check", "unused.dsl")
    assert (done.status, done.text) == (0, "unused.dsl: 1 service, 1 endpoint: compiles to iptables, ipvs and nft\n")
    assert done.err.startswith("warning[SVC012]: `x` is never used\n")
    done = svcc("check", "unused.dsl", "--quiet")
    assert (done.status, done.out, done.err) == (0, b"", "")
    assert svcc("check", "broken.dsl", "-q") == svcc("check", "broken.dsl")


def test_it_says_what_it_checked() -> None:
    done = svcc("check", "fine.dsl", "broken.dsl", "ipvs.dsl")
    assert done.status == 2
    assert done.text.splitlines() == [
        "fine.dsl: 1 service, 1 endpoint: compiles to iptables, ipvs and nft",
        "ipvs.dsl: 1 service, 1 endpoint: compiles to ipvs, not to iptables or nft",
    ]
    two = "node a { address 10.0.0.1 }\nnode b { address 10.0.0.2 }\n" + FINE
    assert (
        svcc("check", "-", "-t", "nft", stdin=two).text
        == "standard input: 1 service, 1 endpoint, 2 nodes: compiles to nft\n"
    )
    assert svcc("check", "ipvs.dsl", "-t", "nft").out == svcc("check", "fine.dsl", "--quiet").out == b""


def test_every_file_is_checked() -> None:
    done = svcc("check", "broken.dsl", "fine.dsl", "missing.dsl", "unused.dsl", "--format", "json")
    assert done.status == 2
    found = [(d["file"], d["code"]) for d in json.loads(done.text)["diagnostics"]]
    assert found == [("broken.dsl", "SVC002"), ("missing.dsl", "SVC005"), ("unused.dsl", "SVC012")]


def test_standard_input_is_a_file_too() -> None:
    done = svcc("check", "-", stdin=BROKEN)
    assert done.status == 2
    assert " --> <stdin>:1:13\n" in done.err
    assert svcc("check", "-", stdin=FINE).status == 0


def test_what_a_named_target_cannot_express_is_an_error() -> None:
    done = svcc("check", "ipvs.dsl", "--target", "nft", "--format", "json")
    assert (done.status, codes(done.text)) == (2, ["SVC060"])
    assert svcc("check", "ipvs.dsl", "--target", "ipvs").status == 0
    done = svcc("check", "ipvs.dsl", "-t", "ipvs", "-t", "nft", "-t", "iptables", "--format", "json")
    assert (done.status, codes(done.text)) == (2, ["SVC060", "SVC060"])


def test_what_some_target_can_have_is_a_warning_what_none_can_is_an_error() -> None:
    done = svcc("check", "ipvs.dsl", "--format", "json")
    severities = [d["severity"] for d in json.loads(done.text)["diagnostics"]]
    assert (done.status, severities) == (0, ["warning"] * (sum(t.loads for t in targets().values()) - 1))
    done = svcc("check", "nobody.dsl", "--format", "json")
    assert done.status == 2
    assert "error" in {d["severity"] for d in json.loads(done.text)["diagnostics"]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing argument 'FILE...'"),
        (["fine.dsl", "-t", "iptable"], "no target `iptable`: did you mean `iptables`?"),
        (["fine.dsl", "--format", "xml"], "'xml' is not one of 'text', 'json', 'sarif', 'github'."),
        (["fine.dsl", "--quite"], "--quiet"),
    ],
)
def test_a_wrong_command_line_is_explained(arguments: list[str], message: str) -> None:
    done = svcc("check", *arguments)
    assert (done.status, done.out) == (2, b"")
    assert message in done.err


# ---- files


def test_a_file_that_is_not_utf_8_is_an_error_at_the_first_byte_that_is_not() -> None:
    Path("latin.dsl").write_bytes("# caf\xe9\n".encode("latin-1"))
    assert svcc("check", "latin.dsl").err == (
        "error[SVC004]: byte 0xe9 is not UTF-8 text\n"
        " --> latin.dsl:1:6\n"
        "1 | # caf\ufffd\n"
        "  |      ^\n"
        "  = hint: save the file as UTF-8\n"
    )
    Path("wide.dsl").write_bytes(FINE.encode("utf-16"))
    assert svcc("check", "wide.dsl").err.startswith("error[SVC004]: byte 0xff is not UTF-8 text\n --> wide.dsl:1:1\n")


@pytest.mark.parametrize("before", ["", "\ufeff"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_byte_order_marks_and_line_ends_of_other_systems_are_taken(before: str, line_end: str) -> None:
    Path("other.dsl").write_bytes((before + f"# é\n{FINE}".replace("\n", line_end)).encode())
    assert svcc("check", "other.dsl").text.replace("other", "fine") == svcc("check", "fine.dsl").text
    Path("other.dsl").write_bytes((before + f"# é\n{BROKEN}".replace("\n", line_end)).encode())
    found = json.loads(svcc("check", "other.dsl", "--format", "json").text)["diagnostics"]
    assert [(d["line"], d["column"], d["end_column"]) for d in found] == [(2, 13, 16)]


# ---- includes


def write(**files: str | bytes) -> None:
    for name, content in files.items():
        path = Path(*name.split("__")).with_suffix(".dsl")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def found(name: str) -> list[tuple[str, str | None, int | None, str]]:
    done = svcc("check", name, "--format", "json")
    return [(d["code"], d["file"], d["line"], d["message"]) for d in json.loads(done.text)["diagnostics"]]


def test_an_include_that_matches_nothing_is_an_error() -> None:
    write(a='include "nowhere/*.dsl"\n')
    assert found("a.dsl") == [("SVC006", "a.dsl", 1, 'no file matches "nowhere/*.dsl"')]


def test_files_that_include_each_other_are_an_error() -> None:
    write(a='include "lib/b.dsl"\n', lib__b='\ninclude "../a.dsl"\n')
    assert found("a.dsl") == [("SVC007", "lib/b.dsl", 2, "files include each other: a.dsl -> b.dsl -> a.dsl")]
    write(self='include "s*f.dsl"\n')
    assert found("self.dsl") == [("SVC007", "self.dsl", 1, "files include each other: self.dsl -> self.dsl")]


def test_a_link_to_a_file_that_is_open_is_that_file() -> None:
    write(a='include "b.dsl"\n')
    Path("b.dsl").symlink_to("a.dsl")
    assert [code for code, *_ in found("a.dsl")] == ["SVC007"]


def test_a_file_that_is_included_twice_counts_once() -> None:
    write(a='include "b.dsl"\ninclude "c.dsl"\n', b='include "c.dsl"\n', c=FINE)
    assert found("a.dsl") == []


def test_included_files_that_cannot_be_read_are_errors() -> None:
    write(a='include "lib/*"\n', lib__binary=b"let \xff", lib__fine=FINE)
    Path("lib/folder.dsl").mkdir()
    Path("lib/gone.dsl").symlink_to("nowhere")
    assert found("a.dsl") == [
        ("SVC005", "a.dsl", 1, "cannot read lib/folder.dsl: Is a directory"),
        ("SVC005", "a.dsl", 1, "cannot read lib/gone.dsl: No such file or directory"),
        ("SVC004", "lib/binary.dsl", 1, "byte 0xff is not UTF-8 text"),
    ]


def test_a_link_that_may_not_be_followed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of links in /proc, the kernel refuses even root some."""
    write(a='include "lib/*"\n', lib__fine=FINE)
    Path("lib/other.dsl").symlink_to("fine.dsl")

    def refused(path: str, *_: object, **_named: object) -> str:
        raise PermissionError(EACCES, os.strerror(EACCES), path)

    monkeypatch.setattr(os, "readlink", refused)
    Path("lib/fine.dsl").unlink()
    assert found("a.dsl") == [("SVC005", "a.dsl", 1, "cannot read lib/other.dsl: No such file or directory")]


def test_the_name_of_a_file_is_shown_and_not_sent_to_the_terminal() -> None:
    name = "\x1b[31m\n.dsl"
    Path(name).write_text(FINE)
    assert svcc("check", name).text.startswith("\\x1b[31m\\x0a.dsl: 1 service, ")


def test_an_error_in_an_included_file_is_found_there_and_the_rest_is_still_judged() -> None:
    write(a='include "lib/*.dsl"\nservice b { vip 127.0.0.1; port 1/tcp; endpoints { } }\n', lib__x=f"\n\n{BROKEN}")
    assert [(code, file, line) for code, file, line, _ in found("a.dsl")] == [
        ("SVC033", "a.dsl", 2),
        ("SVC002", "lib/x.dsl", 3),
    ]


def test_includes_are_relative_to_the_file_not_to_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    write(lib__a='include "b.dsl"\n', lib__b=FINE, elsewhere__x="")
    monkeypatch.chdir("elsewhere")
    assert found("../lib/a.dsl") == []


def test_of_several_nodes_the_one_to_compile_for_has_to_be_named() -> None:
    """What `compile` refuses without --node is a warning here, where every node is looked at."""
    nodes = "node a { address 10.0.0.4 }\nnode b { address 10.0.0.5 }\n"
    Path("several.dsl").write_text(nodes + FINE.replace("80/tcp", "80/tcp nodeport 30080"))
    checked = svcc("check", "several.dsl", "--target", "ipvs")
    compiled = svcc("compile", "several.dsl", "--target", "ipvs")
    assert (checked.status, compiled.status) == (0, 2)
    assert checked.err == compiled.err.replace("error[", "warning[")

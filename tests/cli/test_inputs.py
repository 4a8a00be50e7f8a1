"""What svcc accepts as input: regular files, up to a size; and no message quotes a file that is not svcc's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.memory import ONE_INPUT, at_most
from svcc.command_line import svcc
from svcc.compiler import files
from svcc.compiler.importers import importers
from svcc.compiler.load import load
from svcc.exits import Exit

FINE = "service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.1 } }\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def said(name: str) -> list[tuple[str, str]]:
    return [(d.code.id, d.message) for d in load(name).diagnostics]


@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "/proc/self/environ"])
@pytest.mark.parametrize("way", ["itself", "included", "linked"])
def test_only_regular_files_are_read(name: str, way: str) -> None:
    if name == "fifo":
        os.mkfifo(name)
    file, named = name, name
    if way == "linked":
        file = named = "link.dsl"
        Path(file).symlink_to(name)
    if way == "included":
        file = "a.dsl"
        Path(file).write_text(f'include "{name}"\n{FINE}')
    assert said(file) == [("SVC005", f"cannot read {named}: it is not a regular file")]


@pytest.mark.parametrize(
    "words", [["plan", "--state-dir", "state"], ["trace", "--from", "192.0.2.1", "--to", "198.19.0.1:80/tcp"]]
)
def test_a_name_that_is_too_long_is_no_input(words: list[str]) -> None:
    result = CliRunner().invoke(svcc, [*words, "a" * 300, "-t", "nft"])
    assert result.exit_code == Exit.INPUT
    assert result.output.startswith("error[SVC005]: cannot read aaa")


def test_a_loop_of_links_leads_nowhere() -> None:
    Path("a.dsl").symlink_to("b.dsl")
    Path("b.dsl").symlink_to("a.dsl")
    Path("c.txt").write_text(f'include "*.dsl"\n{FINE}')
    why = "Too many levels of symbolic links"
    assert said("c.txt") == [("SVC005", f"cannot read {name}: {why}") for name in ("a.dsl", "b.dsl")]
    Path("keepalived.conf").write_text("include a.dsl\n")
    Path("empty.rules").write_text("# none yet\n")
    for words, message in (
        (["check", "a.dsl"], f"cannot read a.dsl: {why}"),
        (["fmt", "a.dsl"], f"cannot read a.dsl: {why}"),
        (["import", "keepalived", "keepalived.conf"], "cannot read a.dsl: "),
        (["import", "ipvsadm", "empty.rules", "-o", "a.dsl"], f"cannot write {Path.cwd()}/a.dsl: {why}"),
    ):
        result = CliRunner().invoke(svcc, words)
        assert isinstance(result.exception, SystemExit)
        assert message in result.output
    assert Path("a.dsl").is_symlink()


def test_all_texts_together_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LIMIT", 4 << 20)
    monkeypatch.setattr("svcc.compiler.load.LIMIT", 4 << 20)
    Path("a.dsl").write_text('include "b.dsl"\ninclude "c.dsl"\n' + FINE)
    for name in "bc":
        Path(f"{name}.dsl").write_text(("#" * 999 + "\n") * 2_100)
    assert said("a.dsl") == [("SVC005", "cannot read c.dsl: it is more than svcc reads: 4 MiB of text in all")]


@pytest.mark.parametrize("ending", ["dsl", "json", "rules"])
def test_a_file_beyond_the_limit_is_refused_before_it_is_read_whole(ending: str) -> None:
    name = f"big.{ending}"
    with open(name, "wb") as file:
        file.truncate(files.LIMIT + 1)
    assert said(name) == [("SVC005", f"cannot read {name}: it is more than svcc reads: 64 MiB of text in all")]


def test_nul_is_not_text() -> None:
    Path("a.dsl").write_bytes(b"\0" * (50 << 20))
    assert said("a.dsl") == [("SVC004", "byte 0x00 is not text")]


def test_folders_are_looked_through_without_following_links() -> None:
    Path("lib/deep").mkdir(parents=True)
    Path("lib/deep/web.dsl").write_text(FINE)
    for name in ("lib/up", "lib/here", "lib/deep/again"):
        Path(name).symlink_to("..")
    Path("a.dsl").write_text('include "lib/**/*.dsl"\n')
    loaded = load("a.dsl")
    assert loaded.diagnostics == ()
    assert loaded.program is not None
    assert [service.name for service in loaded.program.services] == ["web"]


def test_patterns_find_what_they_found() -> None:
    for name in ("x.dsl", "lib/y.dsl", "lib/a/z.dsl", "lib/.hidden/w.dsl"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("# nothing\n")
    from svcc.compiler.sources import matching

    assert sorted(matching(".", "**/*.dsl")) == ["lib/a/z.dsl", "lib/y.dsl", "x.dsl"]
    assert sorted(matching(".", "lib/**")) == ["lib/a/z.dsl", "lib/y.dsl"]
    assert sorted(matching(".", "lib/**/z.dsl")) == ["lib/a/z.dsl"]
    assert sorted(matching(".", f"{Path.cwd()}/**/y.dsl")) == [f"{Path.cwd()}/lib/y.dsl"]


SECRET = "root:$6$secret:19000:0:99999:7:::\n"


@pytest.mark.parametrize("way", ["itself", "included", "linked"])
def test_root_quotes_no_file_that_is_not_svcc_s(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    Path("shadow").write_text(SECRET * 3)
    file = {"itself": "shadow", "included": "a.dsl", "linked": "link.dsl"}[way]
    if way == "linked":
        Path(file).symlink_to("shadow")
    if way == "included":
        Path(file).write_text(f'include "shadow"\n{FINE}')
    for form in ("text", "json"):
        result = CliRunner().invoke(svcc, ["check", file, "--format", form])
        assert result.exit_code == Exit.INPUT
        assert "is not written in svcc's language: line 1 is no statement" in result.output
        assert "secret" not in result.output


@pytest.mark.parametrize("kind", [*importers()])
def test_root_shows_nothing_of_what_somebody_s_link_leads_to_in_an_import(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    Path("shadow").write_text(SECRET * 3)
    Path("link.conf").symlink_to("shadow")
    result = CliRunner().invoke(svcc, ["import", kind, "link.conf"])
    assert result.exit_code == Exit.INPUT
    assert "link.conf is a link to a file of another name" in result.output
    assert "secret" not in result.output


@pytest.mark.parametrize("target", ["nft", "iptables", "ipvs"])
@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_nor_in_a_bundle(target: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    Path("a.dsl").write_text(FINE)
    bundle = CliRunner().invoke(svcc, ["compile", "a.dsl", "-t", target]).output
    Path("secrets").write_text(bundle.replace("198.19.0.1", "secret"))
    Path("link.rules").symlink_to("secrets")
    packet = ["--from", "192.0.2.1", "--to", "198.19.0.1:80/tcp"]
    result = CliRunner().invoke(svcc, ["trace", "link.rules", "-t", target, *packet])
    assert result.exit_code == Exit.INPUT
    assert "secret" not in result.output.replace("secrets", "")
    Path("link.json").symlink_to("secrets")
    Path("secrets").write_text('{"version": "secret", "secret": 1}')
    result = CliRunner().invoke(svcc, ["check", "link.json", "--format", form])
    assert result.exit_code == Exit.INPUT
    assert "secret" not in result.output.replace("secrets", "")
    assert "link.json is a link to a file of another name" in result.output


def test_nor_in_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    Path("a.dsl").write_text(FINE)
    assert CliRunner().invoke(svcc, ["compile", "a.dsl", "-t", "nft", "-o", "out"]).exit_code == 0
    Path("shadow").write_text(SECRET * 3)
    Path("out/nft.json").unlink()
    Path("out/nft.json").symlink_to("../shadow")
    packet = ["--from", "192.0.2.1", "--to", "198.19.0.1:80/tcp"]
    for words in (["trace", "out", *packet], ["compile", "a.dsl", "--check", "out"]):
        result = CliRunner().invoke(svcc, [*words, "-t", "nft"])
        assert result.exit_code in (Exit.INPUT, Exit.MACHINE)
        assert "out/nft.json: it is a link to a file of another name" in result.output
        assert "secret" not in result.output


@pytest.mark.parametrize(
    "alter",
    [
        lambda _: '{"nftables": []}\n',
        lambda _: '{"nftables": ' + "[" * 10_000 + "]" * 10_000 + "}\n",
        lambda _: '{"nftables": [' + '{"add":' * 10_000 + "}" * 10_000 + "]}\n",
        lambda text: text.replace('"prio": -100', f'"prio": {"9" * 5_000}'),
        lambda text: text[: len(text) // 2],
        lambda text: json.dumps(json.loads(text)).replace("198.19.0.1", "198.19.0.2", 1),
    ],
    ids=["empty", "deep lists", "deep objects", "digits", "cut off", "one line, altered"],
)
def test_a_document_that_is_none_is_an_input_that_is_wrong(alter: Callable[[str], str]) -> None:
    Path("a.dsl").write_text(FINE)
    text = CliRunner().invoke(svcc, ["compile", "a.dsl", "-t", "nft"]).output
    packet = ["-t", "nft", "--from", "192.0.2.1", "--to", "198.19.0.1:80/tcp"]
    Path("line.json").write_text(json.dumps(json.loads(text), separators=(",", ":")))
    assert CliRunner().invoke(svcc, ["trace", "line.json", *packet]).exit_code == Exit.DONE
    Path("a.json").write_text(alter(text))
    for words in (["trace", "a.json", *packet], ["plan", "a.json", "-t", "nft"], ["apply", "a.json", "-t", "nft"]):
        result = CliRunner().invoke(svcc, [*words, *([] if words[0] == "trace" else ["--state-dir", "state"])])
        assert result.exit_code == Exit.INPUT, result.output
        assert result.output.startswith("error[SVC06")
    assert not Path("state").exists()


def test_a_folder_is_taken_where_a_bundle_is() -> None:
    Path("a.dsl").write_text(FINE)
    packet = ["--from", "192.0.2.1", "--to", "198.19.0.1:80/tcp"]
    for target in ("iptables", "ipvs", "nft"):
        run = CliRunner().invoke(svcc, ["compile", "a.dsl", "-t", target, "-o", target])
        assert run.exit_code == 0
        traced = [CliRunner().invoke(svcc, ["trace", file, "-t", target, *packet]) for file in ("a.dsl", target)]
        assert traced[0].exit_code == traced[1].exit_code == 0, traced[1].output
        assert traced[0].output == traced[1].output
    wrong = CliRunner().invoke(svcc, ["trace", "nft", "-t", "ipvs", *packet])
    assert wrong.exit_code == Exit.INPUT
    assert wrong.output.startswith(
        "error[SVC065]: no part of target ipvs is in this folder: modules.conf, sysctl.conf,"
    )


def test_a_link_that_leads_nowhere_is_no_part_that_is_left_out() -> None:
    """What it should have led to may be all that is served by IPv6."""
    Path("a.dsl").write_text(
        FINE.replace("198.19.0.1", "198.19.0.1 fd00::1").replace("100.64.0.1", "100.64.0.1; fd00:64::1")
    )
    assert CliRunner().invoke(svcc, ["compile", "a.dsl", "-t", "iptables", "-o", "there"]).exit_code == 0
    Path("there/ip6tables.rules").unlink()
    Path("there/ip6tables.rules").symlink_to("not-mounted")
    planned = CliRunner().invoke(svcc, ["plan", "there", "-t", "iptables", "--state-dir", "state"])
    assert planned.exit_code == Exit.INPUT
    compared = CliRunner().invoke(svcc, ["compile", "a.dsl", "-t", "iptables", "--check", "there"])
    assert compared.exit_code == Exit.MACHINE
    for result in (planned, compared):
        assert "there/ip6tables.rules: No such file or directory" in result.output
    assert CliRunner().invoke(svcc, ["diff", "a.dsl", "there"]).exit_code == Exit.INPUT


def test_a_bundle_that_is_refused_says_so_like_any_input() -> None:
    Path("a.dsl").write_text(FINE)
    printed = CliRunner().invoke(svcc, ["compile", "a.dsl", "-t", "ipvs"]).output
    Path("b.rules").write_text(printed.replace("net.ipv4.vs.conntrack = 1", "kernel.core_pattern = |/x"))
    for command in (["plan"], ["apply"], ["apply", "--dry-run"]):
        result = CliRunner().invoke(svcc, [*command, "b.rules", "-t", "ipvs", "--state-dir", "state"])
        assert result.exit_code == Exit.INPUT
        first, place, *_ = result.output.splitlines()
        assert first == "error[SVC066]: the target prints no such line here, but `net.ipv4.vs.conntrack = 1`"
        assert place == "  --> b.rules:10:1"
    assert not Path("state").exists()


@pytest.mark.parametrize("target", ["nft", "iptables"])
def test_a_mark_before_a_bundle_is_told_of_a_bundle(target: str) -> None:
    """Editors and shells of other systems put it there; what is said is not that it were another tool's file."""
    Path("a.dsl").write_text(FINE)
    printed = CliRunner().invoke(svcc, ["compile", "a.dsl", "-t", target]).output
    Path("b.rules").write_text(printed, encoding="utf-8-sig")
    result = CliRunner().invoke(svcc, ["plan", "b.rules", "-t", target, "--state-dir", "state"])
    assert result.exit_code == Exit.INPUT
    assert result.output.startswith("error[SVC004]: a byte order mark stands before the bundle\n --> b.rules:1:1\n")


_NO_STATEMENT = "a line of more than 500000 characters is no statement"
_NO_PROGRAM = "more than 1000000 values: that is no program"
_TOO_LONG = "{} has more than 1000000 lines and statements: that is no program"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("lists.json", lambda: "[" + "[]," * 1_000_001 + "[]]", _NO_PROGRAM),
        ("zeros.json", lambda: '{"services": [' + "0," * 1_000_001 + "0]}", _NO_PROGRAM),
        ("deep.json", lambda: "[" * 4_000_000, _NO_PROGRAM),
        ("string.json", lambda: '{"' + "a" * 50_000_000 + '": 1}', "this looks like JSON of another program"),
        ("line.dsl", lambda: "a" * 10_000_000, _NO_STATEMENT),
        ("quotes.dsl", lambda: '"' * 10_000_000, _NO_STATEMENT),
        ("comment.dsl", lambda: "# " + "a" * 40_000_000, _NO_STATEMENT),
        ("last-line.dsl", lambda: ("#" * 499_999 + "\n") * 80 + "#" * 500_001, _NO_STATEMENT),
        ("blank.dsl", lambda: "\n" * 40_000_000, _TOO_LONG.format("blank.dsl")),
        ("semicolons.dsl", lambda: (";" * 400_000 + "\n") * 100, _TOO_LONG.format("semicolons.dsl")),
        ("words.dsl", lambda: "a b c d e\n" * 4_000_000, _TOO_LONG.format("words.dsl")),
    ],
    ids=lambda value: value if str(value).endswith((".dsl", ".json")) else "",
)
def test_what_would_take_minutes_or_gigabytes_is_refused_at_once(
    name: str, text: Callable[[], str], message: str
) -> None:
    """``text`` makes it: what is collected stays to the end of the run, in every process that has tests."""
    Path(name).write_text(text())
    with at_most(ONE_INPUT):
        found = said(name)
    assert found[0][1].startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        lambda: "# nothing, at some length, and nothing more than that\n" * 700_000,
        lambda: "\n" * 999_000,
        lambda: (" " * 499_999 + "\n") * 80,
        lambda: "let a = [\n" + "\n" * 900_000 + "10.0.0.1," + "\n" * 90_000 + "]",
    ],
    ids=["comments", "lines", "blanks", "a list"],
)
def test_what_says_nothing_takes_no_memory(text: Callable[[], str]) -> None:
    Path("a.dsl").write_text(f"{text()}\n{FINE}")
    with at_most(ONE_INPUT):
        assert load("a.dsl").program is not None


def test_includes_have_an_end() -> None:
    Path("b.dsl").write_text("let a = 10.0.0.0/8\n")
    Path("a.dsl").write_text('include "b.dsl"\n' * 10_002 + FINE)
    assert ("SVC005", "a program has at most 10000 includes") in said("a.dsl")
    assert len([words for _, words in said("a.dsl") if "includes" in words]) == 1


@pytest.mark.parametrize(("compiled", "wanted"), [("nft", "iptables"), ("iptables", "nft"), ("ipvs", "nft")])
def test_what_another_target_compiled_is_told_so(compiled: str, wanted: str) -> None:
    """Also where it is a part alone, without a bundle's heading: it is no file of another tool's."""
    Path("a.dsl").write_text(FINE)
    Path("a.rules").write_text(CliRunner().invoke(svcc, ["compile", "a.dsl", "-t", compiled, "-q"]).output)
    for words in (["plan"], ["apply"], ["trace", "--from", "192.0.2.1", "--to", "198.19.0.1:80/tcp"]):
        result = CliRunner().invoke(svcc, [*words, "a.rules", "-t", wanted])
        assert result.exit_code == Exit.INPUT
        first = result.output.splitlines()[0]
        assert first.startswith(
            f"error[SVC065]: {'it is a bundle for' if compiled != 'nft' else 'this looks like what'}"
        )
        assert first.endswith(f"not for {wanted}")

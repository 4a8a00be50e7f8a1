"""``svcc compile -o`` and ``--check``: how the files of a folder are written and compared."""

from __future__ import annotations

import os
import subprocess
from errno import ENOSPC
from pathlib import Path
from typing import NoReturn

import pytest

from support.command_line import svcc
from support.compiled import BROKEN, PLAIN, UNSUPPORTED, V4, rendered
from support.files import EXAMPLES
from support.schemas import follows
from support.waiting import LID
from svcc.compiler.suggest import one_of
from svcc.targets import Target, targets

_TARGETS = pytest.mark.parametrize("target", targets().values(), ids=lambda target: target.name)
_EXAMPLES = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("svc.dsl").write_text(V4)


# ---- -o DIR


def contents(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@_EXAMPLES
@_TARGETS
def test_a_file_is_written_per_part(example: Path, target: Target) -> None:
    done = svcc("compile", example, "-t", target.name, "-o", "new/out")
    expected = {a.part.file: a.text.encode() for a in rendered(example, target).artifacts if a.text}
    assert contents("new") == {f"out/{name}": text for name, text in expected.items()}
    assert (done.status, done.out) == (0, b"")
    assert done.err == "".join(f"new/out/{a.file}\n" for a in target.parts if a.file in expected)
    assert svcc("compile", example, "-t", target.name, "-o", "new/out") == done
    assert contents("new") == {f"out/{name}": text for name, text in expected.items()}
    assert svcc("compile", example, "-t", target.name, "--check", "new/out").status == 0


def test_another_language_takes_the_place_of_a_part() -> None:
    assert svcc("compile", "svc.dsl", "-t", "nft", "-o", "out").err == "out/nft.json\n"
    assert (
        svcc("compile", "svc.dsl", "-t", "nft", "--syntax", "nft", "-o", "out").err
        == "out/nft.nft\nout/nft.json (removed)\n"
    )
    assert [*contents("out")] == ["nft.nft"]
    printed = svcc("compile", "svc.dsl", "-t", "nft", "--syntax", "nft").out
    assert (
        contents("out")["nft.nft"]
        == printed
        == svcc("compile", "svc.dsl", "-t", "nft", "--syntax", "nft", "-p", "nft").out
    )
    assert svcc("compile", "svc.dsl", "-t", "nft", "--syntax", "nft", "--check", "out").status == 0
    assert svcc("compile", "svc.dsl", "-t", "nft", "--check", "out").status == 1
    assert (
        svcc("compile", "svc.dsl", "-t", "nft", "--syntax", "json").out == svcc("compile", "svc.dsl", "-t", "nft").out
    )


def test_a_language_that_a_target_lacks() -> None:
    for target, said in {"ipvs": "target ipvs has one language only", "nft": "no `nfg`: did you mean `nft`?"}.items():
        done = svcc("compile", "svc.dsl", "-t", target, "--syntax", "nfg")
        assert (done.status, done.out) == (2, b"")
        assert said in done.err


def test_a_part_that_became_empty_loses_its_file_and_others_stay() -> None:
    both = V4.replace("198.19.0.1", "198.19.0.1 fd00:19::1").replace("100.64.0.1", "100.64.0.1; fd00:64::1")
    assert svcc("compile", "-", "-t", "ipvs", "-o", "out", stdin=both).status == 0
    assert Path("out/ip6tables.rules").exists()
    Path("out/README").write_text("mine")
    done = svcc("compile", "svc.dsl", "-t", "ipvs", "-o", "out")
    assert (done.status, done.err.splitlines()[-1]) == (0, "out/ip6tables.rules (removed)")
    assert not Path("out/ip6tables.rules").exists()
    assert Path("out/README").read_text() == "mine"


def test_written_files_can_be_read_by_all_whom_the_umask_lets() -> None:
    before = os.umask(0o027)
    try:
        svcc("compile", "svc.dsl", "-t", "ipvs", "-o", "out")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in Path("out").iterdir()} == {0o640}


@pytest.mark.parametrize("folder", ["svc.dsl/out", "/proc/svcc/out"])
def test_a_folder_that_cannot_be_written_is_status_3(folder: str) -> None:
    done = svcc("compile", "svc.dsl", "-t", "nft", "-o", folder)
    assert (done.status, done.out) == (3, b"")
    assert done.err.startswith("svcc: cannot write ")
    assert done.err.count("\n") == 1
    assert contents(".") == {"svc.dsl": V4.encode()}


_OF_OTHERS = {
    "sysctl.conf": "net.ipv4.ip_forward = 1\n",  # as svcc has it, too: what is beside it says whose it is
    "modules.conf": "ip_vs\n",
    "ipvsadm.rules": "-A -t 198.19.0.7:80 -s rr\n",
    "ip.batch": "link add dummy0 type dummy\n",
    "ipset.restore": "create mine hash:ip family inet hashsize 1024 maxelem 65536\n",
    "iptables.rules": "*filter\n:INPUT DROP [0:0]\nCOMMIT\n",
    "ip6tables.rules": "*nat\n:SVCC-SERVICES - [0:0]\n:DOCKER - [0:0]\nCOMMIT\n",
    "nft.json": '{"nftables": [{"metainfo": {"version": "1.0.6"}}]}\n',
    "nft.nft": "#!/usr/sbin/nft -f\nflush ruleset\n",
    "ir.json": '{"svcc": 1, "services": []}\n',
    "aws.json": '{"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}\n',
}


@pytest.mark.parametrize("content", ["", None], ids=["empty", "filled"])
@_TARGETS
def test_no_file_of_somebody_else_s_is_replaced_or_removed(target: Target, content: str | None) -> None:
    """As those of /etc are, which have the names of parts."""
    Path("etc").mkdir()
    for name, text in _OF_OTHERS.items():
        Path("etc", name).write_text(text if content is None else content)
    before = contents("etc")
    done = svcc("compile", "svc.dsl", "-t", target.name, "-o", "etc")
    assert (done.status, done.out, contents("etc")) == (2, b"", before)
    named = sorted({f"etc/{part.file}" for part in (*target.parts, *target.syntaxes.values())})
    assert done.err == (
        f"svcc: nothing was written: svcc did not write {one_of(named, 'and')}\n"
        "  Choose another folder, or move that away.\n"
    )


def test_what_was_written_before_is_replaced_whatever_it_was_compiled_from() -> None:
    other = f"cluster {{ prefix MY-OWN_1; vip-device own0 }}\n{PLAIN}"
    for target in ("ipvs", "iptables", "nft"):
        assert svcc("compile", "svc.dsl", "-t", target, "-o", target).status == 0
        assert svcc("compile", "-", "-t", target, "-o", target, stdin=other).status == 0
        assert svcc("compile", "svc.dsl", "-t", target, "-o", target).status == 0
        assert svcc("compile", "svc.dsl", "-t", target, "--check", target).status == 0


def test_a_link_that_leads_nowhere_is_somebody_else_s() -> None:
    Path("out").mkdir()
    Path("out/nft.json").symlink_to("away")
    assert svcc("compile", "svc.dsl", "-t", "nft", "-o", "out").status == 2
    assert Path("out/nft.json").is_symlink()


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("ipvs", "iptables", "ip.batch, iptables.rules, sysctl.conf"),
        ("iptables", "ipvs", "ip.batch, iptables.rules, sysctl.conf"),
        ("ipvs", "nft", "ip.batch, sysctl.conf"),
        ("nft", "ipvs", "ip.batch, sysctl.conf"),
        ("nft", "iptables", None),
        ("iptables", "nft", None),
        ("ipvs", "ir", None),
    ],
)
def test_two_targets_have_one_folder_only_where_they_share_no_file(first: str, second: str, same: str | None) -> None:
    assert svcc("compile", "svc.dsl", "-t", first, "-o", "out").status == 0
    before = contents("out")
    done = svcc("compile", "svc.dsl", "-t", second, "-o", "out")
    assert before.items() <= contents("out").items()
    assert svcc("compile", "svc.dsl", "-t", first, "--check", "out").status == 0
    if same is None:
        assert done.status == svcc("compile", "svc.dsl", "-t", second, "--check", "out").status == 0
        return
    assert (done.status, contents("out")) == (2, before)
    assert done.err == (
        f"svcc: nothing was written: out has rules of target {first}, whose files have the same names: {same}\n"
        f"  Give target {second} a folder of its own.\n"
    )


def test_a_full_disk_is_told_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, *_: object, **_options: object) -> NoReturn:
        os.close(descriptor)
        raise OSError(ENOSPC, os.strerror(ENOSPC))

    monkeypatch.setattr(os, "fdopen", full)
    done = svcc("compile", "svc.dsl", "-t", "nft", "-o", "out")
    assert (done.status, done.err) == (3, "svcc: cannot write out/nft.json: No space left on device\n")
    assert [*Path("out").iterdir()] == []


def test_with_an_error_nothing_is_written() -> None:
    svcc("compile", "svc.dsl", "-t", "nft", "-o", "out")
    before = contents("out")
    assert svcc("compile", "-", "-t", "nft", "-o", "out", stdin=BROKEN).status == 2
    assert svcc("compile", "-", "-t", "nft", "-o", "elsewhere", stdin=UNSUPPORTED).status == 2
    assert contents("out") == before
    assert not Path("elsewhere").exists()


def test_with_a_file_that_cannot_be_replaced_none_is() -> None:
    svcc("compile", "svc.dsl", "-t", "ipvs", "-o", "out")
    Path("out/ipvsadm.rules").unlink()
    Path("out/ipvsadm.rules").mkdir()
    before = contents("out")
    changed = V4.replace("198.19.0.1", "198.19.0.2")
    assert svcc("compile", "-", "-t", "ipvs", "-o", "out", stdin=changed).status == 2
    assert contents("out") == before


# ---- --check DIR


def check(text: str = V4, target: str = "ipvs") -> tuple[int, str]:
    done = svcc("compile", "-", "-t", target, "--check", "out", stdin=text)
    assert done.err == ""
    return done.status, done.out.decode("utf-8", "surrogateescape")


@pytest.fixture
def _out() -> None:
    assert svcc("compile", "svc.dsl", "-t", "ipvs", "-o", "out").status == 0


@pytest.mark.usefixtures("_out")
def test_the_same_files_are_status_0_and_silence() -> None:
    Path("out/README").write_text("mine")
    assert check() == (0, "")


@pytest.mark.usefixtures("_out")
def test_a_difference_is_status_1_and_a_unified_diff() -> None:
    path = Path("out/modules.conf")
    path.write_text(path.read_text().replace("dummy\n", "dumm\n"))
    rest = "".join(f" {line}\n" for line in path.read_text().splitlines()[1:4])
    count = min(4, len(path.read_text().splitlines()))
    expected = f"--- {path}\n+++ {path} (compiled)\n@@ -1,{count} +1,{count} @@\n-dumm\n+dummy\n{rest}"
    assert check() == (1, expected)


@pytest.mark.usefixtures("_out")
def test_a_missing_file_is_a_difference() -> None:
    path = Path("out/modules.conf")
    lines = path.read_text().splitlines()
    path.unlink()
    added = "".join(f"+{line}\n" for line in lines)
    assert check() == (1, f"--- {path}\n+++ {path} (compiled)\n@@ -0,0 +1,{len(lines)} @@\n{added}")


@pytest.mark.usefixtures("_out")
def test_a_file_that_should_not_be_there_is_a_difference() -> None:
    Path("out/ip6tables.rules").write_text("*nat\nCOMMIT\n")
    path = "out/ip6tables.rules"
    assert check() == (1, f"--- {path}\n+++ {path} (compiled)\n@@ -1,2 +0,0 @@\n-*nat\n-COMMIT\n")


def test_a_missing_folder_is_a_difference() -> None:
    status, difference = check()
    assert status == 1
    assert difference.count("--- out/") == 6
    assert not Path("out").exists(), "a check writes nothing"


@pytest.mark.usefixtures("_out")
def test_line_ends_count() -> None:
    path = Path("out/modules.conf")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    status, difference = check()
    assert status == 1
    assert difference.count("\r\n") == path.read_bytes().count(b"\r\n")


@pytest.mark.usefixtures("_out")
def test_bytes_that_are_no_text_are_shown_as_they_are() -> None:
    path = Path("out/modules.conf")
    path.write_bytes(b"\xff\n" + path.read_bytes())
    done = svcc("compile", "svc.dsl", "-t", "ipvs", "--check", "out")
    assert done.status == 1
    assert b"\n-\xff\n" in done.out


@pytest.mark.usefixtures("_out")
def test_a_file_that_cannot_be_read_is_status_3() -> None:
    Path("out/modules.conf").unlink()
    Path("out/modules.conf").mkdir()
    done = svcc("compile", "svc.dsl", "-t", "ipvs", "--check", "out")
    assert (done.status, done.out) == (3, b"")
    assert done.err == "svcc: cannot read out/modules.conf: Is a directory\n"


@pytest.mark.usefixtures("_out")
def test_the_difference_in_json() -> None:
    Path("out/modules.conf").unlink()
    Path("out/ip6tables.rules").write_text("*nat\nCOMMIT\n")
    Path("out/sysctl.conf").write_bytes(b"\xff\n")
    done = svcc("compile", "svc.dsl", "-t", "ipvs", "--check", "out", "--json")
    assert (done.status, done.err) == (1, "")
    document = follows("compile", done.text)
    assert (document["target"], document["differs"]) == ("ipvs", True)
    states = {Path(one["file"]).name: one["state"] for one in document["files"]}
    other = {"modules.conf": "missing", "ip6tables.rules": "left over", "sysctl.conf": "changed"}
    assert states == {path.name: "same" for path in Path("out").iterdir()} | other
    shown = "".join(one["diff"] for one in document["files"])
    assert shown == check()[1].encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@_TARGETS
def test_the_same_files_in_json(target: Target) -> None:
    assert svcc("compile", "svc.dsl", "-t", target.name, "-o", "out").status == 0
    done = svcc("compile", "svc.dsl", "-t", target.name, "--check", "out", "--json")
    document = follows("compile", done.text)
    assert (done.status, document["differs"]) == (0, False)
    assert all(one["state"] == "same" for one in document["files"])
    assert {one["file"] for one in document["files"]} == {str(path) for path in Path("out").iterdir()}


def test_json_without_check_is_refused() -> None:
    done = svcc("compile", "svc.dsl", "-t", "nft", "--json")
    assert (done.status, done.out) == (2, b"")
    assert "--json is for --check" in done.err


@_TARGETS
@pytest.mark.parametrize(
    "text", [PLAIN, V4.replace("100.64.0.1", "100.64.0.1; 100.64.0.2"), ""], ids=["fewer", "more", "none"]
)
def test_the_difference_is_a_patch(target: Target, text: str) -> None:
    """What --check prints leads from the committed files to the compiled ones."""
    svcc("compile", "svc.dsl", "-t", target.name, "-o", "out")
    Path("patch").write_text(check(text, target.name)[1])
    subprocess.run(["patch", "-p0", "-s", "-E", "-i", "patch"], check=True, timeout=LID)
    assert check(text, target.name) == (0, "")


@pytest.mark.usefixtures("_out")
@pytest.mark.parametrize("odd", ["a\rb\n", "a\fb\n", "a\x85b\n", "a\u2028b\n"], ids=ascii)
def test_only_a_line_feed_ends_a_line(odd: str) -> None:
    path = Path("out/modules.conf")
    path.write_bytes(odd.encode() + path.read_bytes())
    status, difference = check()
    assert status == 1
    assert f"@@\n-{odd} " in difference


@pytest.mark.usefixtures("_out")
def test_a_last_line_without_its_end_is_marked() -> None:
    path = Path("out/modules.conf")
    path.write_bytes(path.read_bytes()[:-1])
    status, difference = check()
    assert status == 1
    assert "\n\\ No newline at end of file\n" in difference

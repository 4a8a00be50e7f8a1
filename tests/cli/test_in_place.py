"""A plan of what is in place compiles nothing; a plan of anything else finds everything as usual."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.applied import bundles_read
from support.apply_faults import tools_of
from support.apply_world import World
from support.command_line import Done, folder, svcc
from svcc.apply import code
from svcc.compiler import load
from svcc.kernel.namespaces import Namespace

pytestmark = pytest.mark.kernel

MAIN = """\
include "parts/*.dsl"
include "more.dsl"
cluster { prefix CUSTOM; pods 100.64.0.0/24 }
node one { address 10.0.0.4 }
node two { address 10.0.0.5 }
"""
WEB = "service web { vip 198.19.10.1; port 80/tcp; endpoints { 100.64.0.1; 100.64.0.2 } }\n"
DNS = "service dns { vip 198.19.10.2; port 53/udp nodeport 30053; endpoints { 100.64.0.3 } }\n"
ARGUMENTS = ("main.dsl", "-t", "nft", "-n", "one")
NOTHING = "Nothing to do: the kernel holds what it should.\n"


@pytest.fixture(autouse=True)
def namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Namespace]:
    """A node, where the program is applied and the working directory."""
    monkeypatch.setenv("SVCC_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "src" / "parts").mkdir(parents=True)
    (tmp_path / "src" / "main.dsl").write_text(MAIN)
    (tmp_path / "src" / "more.dsl").write_text(DNS)
    (tmp_path / "src" / "parts" / "web.dsl").write_text(WEB)
    (tmp_path / "src" / "parts" / "last.dsl").write_text(WEB.replace("web", "last").replace("10.1", "10.3"))
    made = Namespace("in place")
    with tools_of("nft"), folder(tmp_path / "src"):
        world = World(made, tmp_path / "state")
        with world.inside():
            assert svcc("apply", *ARGUMENTS, "-q").status == 0
            assert plan() == (NOTHING, 0)
            yield made
    made.close()


def plan(*arguments: str) -> tuple[str, int]:
    done = svcc("plan", *(arguments or ARGUMENTS))
    return done.text, done.status


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often a file was compiled."""
    calls: list[str] = []
    real = load.load_data

    def counted(name: str, data: bytes) -> load.Loaded:
        calls.append(name)
        return real(name, data)

    monkeypatch.setattr("svcc.apply.wanted.load_data", counted)
    return lambda: len(calls)


def test_what_is_in_place_is_not_compiled(compiled: Callable[[], int]) -> None:
    assert plan() == (NOTHING, 0)
    assert svcc("apply", *ARGUMENTS).text == "Nothing to do: generation 1 is in place.\n"
    found = json.loads(plan(*ARGUMENTS, "--json")[0])
    assert (found["from"], found["to"]) == ("nft", "nft")
    assert found["services"] == found["drift"] == found["objects"] == found["steps"] == []
    assert compiled() == 0


def _write(name: str, text: str) -> Callable[[], object]:
    return lambda: Path(name).write_text(text)


def _another_under_the_name() -> None:
    Path("other.dsl").write_text(DNS.replace("0.3", "0.5"))
    os.replace("other.dsl", "more.dsl")


def _link() -> None:
    os.replace("more.dsl", "parts/dns.dsl")
    os.symlink("parts/dns.dsl", "more.dsl")


#: What may be done to the sources, and whether the program is another afterwards.
EDITS: dict[str, tuple[Callable[[], object], bool]] = {
    "of what is for another node": (_write("main.dsl", MAIN.replace("10.0.0.5", "10.0.0.6")), False),
    "of what is included": (_write("parts/web.dsl", WEB.replace("0.2 ", "0.4 ")), True),
    "another included file": (_write("parts/x.dsl", WEB.replace("web", "x").replace("10.1", "9.1")), True),
    "a file less": (lambda: os.remove("parts/web.dsl"), True),
    "another file under the name": (_another_under_the_name, True),
    "a link": (_link, False),
    "a comment": (_write("main.dsl", MAIN + "# more\n"), False),
}


@pytest.mark.parametrize("edit", EDITS)
def test_any_edit_is_compiled(edit: str, compiled: Callable[[], int]) -> None:
    change, other = EDITS[edit]
    change()
    text, status = plan()
    assert (status == 1) == other
    assert (text == NOTHING) == (not other)
    assert compiled() == 1
    if not other:  # and from then on it is known
        assert plan() == (NOTHING, 0)
        assert compiled() == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("main.dsl", "-t", "iptables", "-n", "one"),
        ("main.dsl", "-t", "nft", "-n", "two"),
        ("./copy.dsl", "-t", "nft", "-n", "one"),
        ("-", "-t", "nft", "-n", "one"),
    ],
)
def test_whatever_else_is_asked_for_is_compiled(arguments: tuple[str, ...], compiled: Callable[[], int]) -> None:
    Path("copy.dsl").write_text(MAIN)
    svcc("plan", *arguments, stdin=MAIN)
    assert compiled() == 1


def test_another_svcc_compiles(compiled: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "stamp", lambda: "another")
    assert plan() == (NOTHING, 0)
    assert compiled() == 1


def test_what_there_is_something_to_say_about_is_compiled_each_time(compiled: Callable[[], int]) -> None:
    Path("more.dsl").write_text(DNS + "let unused = 100.64.0.9\n")
    assert svcc("apply", *ARGUMENTS).status == 0
    for _ in range(2):
        done: Done = svcc("plan", *ARGUMENTS)
        assert (done.text, done.status) == (NOTHING, 0)
        assert "warning" in done.err
    assert compiled() == 3


def test_drift_is_seen_all_the_same(tmp_path: Path) -> None:
    os.system("nft delete element ip custom endpoint-0 '{ 198.19.10.1 . tcp . 80 }'")
    text, status = plan()
    assert status == 1
    for path in (tmp_path / "state" / "custom").glob("000001.[ls]o*"):  # looks and source
        path.unlink()
    assert plan() == (text, status)
    assert svcc("apply", *ARGUMENTS).status == 0
    assert plan() == (NOTHING, 0)


@pytest.mark.parametrize("suffix", ["looks", "source"])
@pytest.mark.parametrize("damage", [b"", b"\0\xff", b"{}\n{}\n"])
def test_what_is_damaged_is_not_there(suffix: str, damage: bytes, tmp_path: Path, compiled: Callable[[], int]) -> None:
    """Without its looks, the listing is parsed; without its source, the program is compiled."""
    path = tmp_path / "state" / "custom" / f"000001.{suffix}"
    before = path.read_bytes()
    path.write_bytes(damage)
    assert plan() == (NOTHING, 0)
    assert compiled() == (suffix == "source")
    assert path.read_bytes() == before, "it was noted again"


def test_ir_and_bundles_are_known_too(compiled: Callable[[], int]) -> None:
    Path("a.json").write_text(svcc("compile", "main.dsl", "-t", "ir").text)
    Path("a.bundle").write_text(svcc("compile", *ARGUMENTS).text)
    for arguments in (("a.json", *ARGUMENTS[1:]), ("a.bundle", "-t", "nft")):
        assert svcc("apply", *arguments, "-q").status == 0
        before = compiled()
        assert plan(*arguments) == plan(*arguments) == (NOTHING, 0)
        assert compiled() <= before + 1


def test_what_is_forgotten_takes_its_notes_with_it(tmp_path: Path) -> None:
    for number in range(23):
        Path("more.dsl").write_text(DNS.replace("30053", str(30100 + number)))
        assert svcc("apply", *ARGUMENTS, "-q").status == 0
        plan()
    kept = {path.stem for path in (tmp_path / "state" / "custom").glob("0*.json")}
    assert {path.stem for path in (tmp_path / "state" / "custom").glob("0*.*")} == kept


def test_the_recorded_rules_are_compared_only_where_somebody_changed_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a plan is made of the services that differ. Then it reads them once, to know what is ours; once more, to
    tell what was changed by hand.
    """
    read = bundles_read(monkeypatch)
    Path("parts/web.dsl").write_text(WEB.replace("0.2 ", "0.4 "))
    assert plan()[0].splitlines()[0] == "web: ~ 100.64.0.2:80 -> 100.64.0.4:80"
    assert read == []
    subprocess.run(["nft", "delete element ip custom endpoint-1 { 198.19.10.1 . tcp . 80 }"], check=True)
    read.clear()
    assert "Changed by hand since generation 1 was applied" in plan()[0]
    assert read == [1, 1]

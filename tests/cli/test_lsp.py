"""The language server, as an editor talks to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.dsl_printer import program_text
from support.editor import Editor, Refused, editor
from support.files import ERRORS, EXAMPLES
from support.large_programs import plain
from support.tools.project import ROOT
from support.waiting import LID
from svcc.commands.check import CheckedFile
from svcc.compiler.fmt import format_source
from svcc.compiler.report import as_json
from svcc.compiler.source import Source
from svcc.lsp.text import Place, Text

_SERVICE = "service web { vip 198.19.10.0; port 80/tcp; endpoints web-pool }\n"
_POOL = "endpoints web-pool { 100.64.0.9 }\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """One for all tests here, each of which has a folder of its own in its workspace."""
    with editor(tmp_path_factory.mktemp("workspace")) as one:
        yield one


@pytest.fixture
def here(server: Editor, request: pytest.FixtureRequest) -> Iterator[Editor]:
    with server.in_folder(f"{abs(hash(request.node.name))}"):
        yield server


def test_it_begins_and_ends(tmp_path: Path) -> None:
    with editor(tmp_path) as one:
        uri = one.open("main.dsl", _POOL + _SERVICE)
        assert one.diagnostics(uri) == []
        assert one.end() == 0


def test_it_ends_with_its_editor(tmp_path: Path) -> None:
    with editor(tmp_path) as one:
        one.open("main.dsl", _SERVICE)
        assert one.process.stdin is not None
        one.process.stdin.close()
        assert one.process.wait(LID) == 0


def test_what_is_wrong_is_said_as_one_types(here: Editor) -> None:
    uri = here.open("main.dsl", _POOL + _SERVICE)
    assert here.diagnostics(uri) == []
    here.change(uri, {"range": _range(0, 10, 0, 13), "text": "wob"})
    (unused, missing) = here.diagnostics(uri)
    assert unused["message"].startswith("pool `wob-pool` is never used")
    assert missing["message"] == "there is no pool `web-pool`\nhint: did you mean `wob-pool`?"
    assert missing["range"] == _range(1, 54, 1, 62)
    assert (missing["code"], missing["severity"], missing["source"]) == ("SVC011", 1, "svcc")
    assert (unused["severity"], unused["tags"]) == (2, [1])


def _range(line: int, start: int, last: int, end: int) -> dict[str, object]:
    return {"start": {"line": line, "character": start}, "end": {"line": last, "character": end}}


def test_a_second_place_is_shown_with_the_first(here: Editor) -> None:
    uri = here.open("main.dsl", _POOL + _POOL + _SERVICE)
    (twice,) = here.diagnostics(uri)
    assert twice["relatedInformation"] == [
        {"location": {"uri": uri, "range": _range(0, 10, 0, 18)}, "message": "first declared here"}
    ]


def test_an_included_text_counts_before_it_is_saved(here: Editor) -> None:
    (here.folder / "lib").mkdir()
    main = here.open("main.dsl", f'include "lib/*.dsl"\n{_SERVICE}')
    here.until_told(main, ['no file matches "lib/*.dsl"'])
    pool = here.open("lib/pool.dsl", _POOL)
    here.until_told(main, [])
    here.replace(pool, "endpoints web-poll { 100.64.0.9 }\n")
    here.until_told(main, ["there is no pool `web-pool`"])
    here.until_told(pool, ["pool `web-poll` is never used"])
    here.close(pool)
    here.until_told(main, ['no file matches "lib/*.dsl"'])


def test_an_included_file_is_checked_as_part_of_what_lies_in_the_workspace(here: Editor) -> None:
    (here.folder / "main.dsl").write_text(f'include "pool.dsl"\n{_SERVICE}')
    pool = here.open("pool.dsl", "endpoints web-poll { 100.64.0.9 }\n")
    here.until_told(here.uri("main.dsl"), ["there is no pool `web-pool`"])
    here.replace(pool, _POOL)
    here.until_told(here.uri("main.dsl"), [])
    here.until_told(pool, [])


def test_a_file_that_changes_on_the_disk_is_read_again(here: Editor) -> None:
    (here.folder / "pool.dsl").write_text("")
    main = here.open("main.dsl", f'include "pool.dsl"\n{_SERVICE}')
    here.until_told(main, ["there is no pool `web-pool`"])
    (here.folder / "pool.dsl").write_text(_POOL)
    changed = {"uri": here.uri("pool.dsl"), "type": 2}
    here.tell("workspace/didChangeWatchedFiles", {"changes": [changed]})
    here.until_told(main, [])


def test_a_text_that_is_no_file_is_checked(here: Editor) -> None:
    (here.folder / "pool.dsl").write_text("")
    uri = here.open("untitled:Untitled-1", f'include "{here.folder.name}/pool.dsl"\n{_SERVICE}')
    here.until_told(uri, ["there is no pool `web-pool`"])


def test_places_are_counted_in_units_of_utf16(here: Editor) -> None:
    uri = here.open("main.dsl", 'service web { vip 198.19.10.0; port "\U0001f600" 80/tcp; endpoints { } }\n')
    assert [one["range"] for one in here.diagnostics(uri)] == [_range(0, 36, 0, 40)]


@pytest.mark.parametrize("path", sorted(ERRORS.glob("*.dsl")), ids=lambda path: path.name)
def test_it_finds_what_check_finds(path: Path, here: Editor) -> None:
    uri = here.open(str(path), path.read_text(encoding="utf-8"))
    shown = here.diagnostics(uri)
    expected = json.loads(as_json(CheckedFile.of(str(path), ()).found))["diagnostics"]
    assert [d["code"] for d in shown] == [d["code"] for d in expected if d["file"] == str(path)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_layout_is_that_of_fmt(path: Path, here: Editor) -> None:
    text = path.read_text(encoding="utf-8")
    wide = text.replace(" ", "  ").replace("\n\n", "\n\n\n")
    uri = here.open("main.dsl", wide)
    options = {"tabSize": 4, "insertSpaces": False}
    edits = here.ask("textDocument/formatting", {"textDocument": {"uri": uri}, "options": options})
    assert _edited(wide, edits) == format_source(Source("main.dsl", wide))
    here.replace(uri, text)
    assert here.ask("textDocument/formatting", {"textDocument": {"uri": uri}, "options": options}) == []


def test_a_text_with_a_slip_is_not_laid_out(here: Editor) -> None:
    uri = here.open("main.dsl", "service  web {\n")
    assert (
        here.ask(
            "textDocument/formatting", {"textDocument": {"uri": uri}, "options": {"tabSize": 2, "insertSpaces": True}}
        )
        is None
    )


def _edited(text: str, edits: list[dict[str, Any]]) -> str:
    """The text with what is at most one edit."""
    assert len(edits) <= 1
    found = Text(text)
    for edit in edits:
        start, end = (Place(edit["range"][at]["line"], edit["range"][at]["character"]) for at in ("start", "end"))
        found = found.edited(start, end, edit["newText"])
    return found.content


def test_symbols_are_what_a_file_declares(here: Editor) -> None:
    uri = here.open("main.dsl", f'{_POOL}cluster {{ }}\nservice web {{\n  port http 80/tcp\n port "9" 9/udp\n')
    symbols = here.ask("textDocument/documentSymbol", {"textDocument": {"uri": uri}})
    assert [(s["name"], s.get("detail")) for s in symbols] == [
        ("web-pool", "endpoints"),
        ("cluster", None),
        ("web", "service"),
    ]
    assert [port["name"] for port in symbols[2]["children"]] == ["http", "9"]
    assert symbols[0]["selectionRange"] == _range(0, 10, 0, 18)


_TWO = """let corp = [10.0.0.0/8]
endpoints web-pool { 100.64.0.9 on node-a }
service shop/web {
  vip 198.19.10.0
  port http 80/tcp nodeport 30080
  allow-from $corp
  endpoints web-pool
}
"""
_NODE = """node node-a { address 10.0.0.4 }
balancer public { network a b; listen 80/http; route / -> "shop/web":http }
"""


@pytest.fixture
def two(here: Editor) -> tuple[Editor, str, str]:
    """A program of two files, one of them not open."""
    (here.folder / "node.dsl").write_text(_NODE)
    main = here.open("main.dsl", f'include "node.dsl"\n{_TWO}')
    return here, main, here.uri("node.dsl")


def test_a_name_leads_to_its_declaration(two: tuple[Editor, str, str]) -> None:
    here, main, node = two

    def definition(line: int, unit: int) -> list[tuple[str, int, int]]:
        found = here.ask("textDocument/definition", here.at(main, line, unit))
        return [(one["uri"], one["range"]["start"]["line"], one["range"]["start"]["character"]) for one in found]

    assert definition(6, 15) == [(main, 1, 4)]
    assert definition(7, 20) == [(main, 2, 10)]
    assert definition(2, 38) == [(node, 0, 5)]
    assert definition(0, 12) == [(node, 0, 0)]
    assert definition(4, 8) == []
    here.open("node.dsl", _NODE)
    found = here.ask("textDocument/definition", here.at(node, 1, 60))
    assert [(one["uri"], one["range"]["start"]["line"]) for one in found] == [(main, 3)]
    found = here.ask("textDocument/definition", here.at(node, 1, 71))
    assert [(one["uri"], one["range"]["start"]["line"]) for one in found] == [(main, 5)]


def test_a_name_is_found_in_all_files(two: tuple[Editor, str, str]) -> None:
    here, main, node = two
    place = here.at(main, 3, 10, context={"includeDeclaration": True})
    assert [one["uri"] for one in here.ask("textDocument/references", place)] == [main, node]
    place = here.at(main, 3, 10, context={"includeDeclaration": False})
    assert [one["uri"] for one in here.ask("textDocument/references", place)] == [node]


def test_a_name_is_changed_in_all_files(two: tuple[Editor, str, str]) -> None:
    here, main, node = two
    assert here.ask("textDocument/prepareRename", here.at(main, 3, 10)) == _range(3, 8, 3, 16)
    assert here.ask("textDocument/prepareRename", here.at(main, 4, 10)) is None
    changes = here.ask("textDocument/rename", here.at(main, 3, 10, newName="9to5"))["documentChanges"]
    assert [(c["textDocument"]["uri"], c["textDocument"]["version"]) for c in changes] == [(main, 1), (node, None)]
    assert [edit["newText"] for change in changes for edit in change["edits"]] == ['"9to5"', '"9to5"']


@pytest.mark.parametrize(
    ("line", "unit", "new", "said"),
    [
        (3, 10, "a b", "a quoted name is ASCII"),
        (2, 12, "web-pool]", "a quoted name is ASCII"),
        (1, 5, "9", "a let's name begins with"),
        (0, 12, "main.dsl", "`main.dsl` cannot be the file's name"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    two: tuple[Editor, str, str], line: int, unit: int, new: str, said: str
) -> None:
    here, main, _ = two
    with pytest.raises(Refused) as refused:
        here.ask("textDocument/rename", here.at(main, line, unit, newName=new))
    assert refused.value.args[0] == -32602
    assert refused.value.args[1].startswith(said)


def test_a_file_that_is_included_gets_another_name(two: tuple[Editor, str, str]) -> None:
    here, main, node = two
    edit, move = here.ask("textDocument/rename", here.at(main, 0, 12, newName="lib/nodes.dsl"))["documentChanges"]
    assert [one["newText"] for one in edit["edits"]] == ['"lib/nodes.dsl"']
    assert (move["kind"], move["oldUri"], move["newUri"]) == ("rename", node, here.uri("lib/nodes.dsl"))


def test_a_word_is_explained_by_the_manual(two: tuple[Editor, str, str]) -> None:
    here, main, _ = two
    hover = here.ask("textDocument/hover", here.at(main, 4, 3))
    assert hover["range"] == _range(4, 2, 4, 5)
    row = next(line for line in (ROOT / "docs/language.md").read_text().splitlines() if line.startswith("| `vip "))
    statement, _, meaning = (cell.strip() for cell in row.strip("|").split("|"))
    assert hover["contents"]["value"] == f"{statement}\n\n{meaning}"
    shown = here.ask("textDocument/hover", here.at(main, 2, 38))["contents"]["value"]
    assert shown == "```svcc\nnode node-a { address 10.0.0.4 }\n```"
    assert here.ask("textDocument/hover", here.at(main, 4, 10)) is None


def test_words_are_proposed_where_the_text_does_not_parse(two: tuple[Editor, str, str]) -> None:
    here, main, _ = two
    here.replace(main, 'include "node.dsl"\nendpoints x {\n  100.64.0.1 on \nservice y { when-empty d')
    found = here.ask("textDocument/completion", here.at(main, 2, 16))
    assert [one["textEdit"]["newText"] for one in found["items"]] == ["node-a"]
    found = here.ask("textDocument/completion", here.at(main, 3, 24))
    assert [one["label"] for one in found["items"]] == ["drop", "draining"]
    assert found["items"][0]["textEdit"]["range"] == _range(3, 23, 3, 24)


def test_a_finding_that_names_the_right_word_can_be_put_right(here: Editor) -> None:
    text = _POOL + _SERVICE.replace("web-pool", "web-poll")
    uri = here.open("main.dsl", text)
    assert len(here.diagnostics(uri)) == 2
    asked = {"textDocument": {"uri": uri}, "range": _range(1, 56, 1, 56), "context": {"diagnostics": []}}
    (action,) = here.ask("textDocument/codeAction", asked)
    assert action["title"] == "Write web-pool"
    (change,) = action["edit"]["documentChanges"]
    assert _edited(text, change["edits"]) == _POOL + _SERVICE
    here.replace(uri, _POOL + _SERVICE)
    assert here.diagnostics(uri) == []
    assert here.ask("textDocument/codeAction", asked) == []


def _processes_below(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def test_an_answer_does_not_wait_for_the_compiler(here: Editor) -> None:
    """While no check can end, as the processes that check stand still."""
    text = program_text(plain(200))
    uri = here.open("main.dsl", text)
    assert here.diagnostics(uri) == []
    checking = _processes_below(here.process.pid)
    assert checking
    for process in checking:
        os.kill(process, signal.SIGSTOP)
    try:
        here.change(uri, {"range": _range(0, 0, 0, 0), "text": "service x { when-empty d"})
        found = here.ask("textDocument/completion", here.at(uri, 0, 24))
        assert [one["label"] for one in found["items"]] == ["drop", "draining"]
        assert here.ask("textDocument/hover", here.at(uri, 0, 15)) is not None
        assert here.ask("textDocument/documentSymbol", {"textDocument": {"uri": uri}})
        here.change(uri, {"range": _range(0, 0, 0, 24), "text": ""})
    finally:
        for process in checking:
            os.kill(process, signal.SIGCONT)
    assert here.diagnostics(uri) == []


def test_the_command_line_does_without_the_library() -> None:
    script = "import sys; from svcc.__main__ import main; sys.argv = ['svcc', 'check', sys.argv[1]]\ntry: main()\n"
    script += "finally: print('loaded:', *sorted({'pygls', 'lsprotocol', 'cattrs'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-P", "-c", script, EXAMPLES[0]], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_without_the_library_the_command_says_how_to_install_it() -> None:
    script = (
        "import sys; sys.modules['pygls'] = None; from svcc.__main__ import main; sys.argv = ['svcc', 'lsp']; main()"
    )
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "svcc: the language server needs pygls: pip install 'svcc[lsp]'\n"

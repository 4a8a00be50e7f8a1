"""Whatever an editor does with whatever text, the server answers, and knows the text that the editor has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.editor import Editor, Refused, editor
from support.files import EXAMPLES
from svcc.compiler.load import load
from svcc.compiler.report import in_order

_TEXTS = [path.read_text(encoding="utf-8") for path in EXAMPLES]
_TYPED = (
    *("", "\n", "\r\n", "\r", " ", "{", "}", "[", "]", '"', "#", ";", ",", "=", "$", ":", "/", "->", "\0", "\ufeff"),
    *(
        "service x {\n",
        'include "main.dsl"\n',
        'include "**"\n',
        "endpoints on {",
        " on ",
        "$x ",
        "é漢",
        "\U0001f600",
        "\ud800",
    ),
    *("\x0c", "\u2028", "let x = [$x]\n", "99999999999999999999999", "route / -> "),
)
_PLACES = st.tuples(st.integers(0, 60), st.integers(0, 50))


class _Edit(NamedTuple):
    start: tuple[int, int]
    end: tuple[int, int]
    text: str


_EDITS = st.lists(st.builds(_Edit, _PLACES, _PLACES, st.sampled_from(_TYPED)), max_size=4)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    folder = tmp_path_factory.mktemp("session")
    errors = folder / "errors.txt"
    with errors.open("wb") as stream, editor(folder, errors=stream) as one:
        yield one
        assert one.end() == 0
    assert errors.read_text() == ""


def _position(place: tuple[int, int]) -> dict[str, int]:
    return {"line": place[0], "character": place[1]}


def _offset(text: str, place: tuple[int, int]) -> int:
    """By the units of UTF-16 one by one, as the protocol has it."""
    line, unit = place
    at = 0
    while line:
        ends = [end for end in (text.find("\n", at), text.find("\r", at)) if end >= 0]
        if not ends:
            return len(text)
        at = min(ends) + (2 if text.startswith("\r\n", min(ends)) else 1)
        line -= 1
    while at < len(text) and text[at] not in "\r\n":
        unit -= 2 if ord(text[at]) > 0xFFFF else 1
        if unit < 0:
            break
        at += 1
    return at


def _changed(text: str, edit: _Edit) -> str:
    start, end = sorted((_offset(text, edit.start), _offset(text, edit.end)))
    return text[:start] + edit.text + text[end:]


def _ask_everything(server: Editor, uri: str, place: tuple[int, int]) -> None:
    position = _position(place)
    there: dict[str, Any] = {"textDocument": {"uri": uri}, "position": position}
    for method in ("completion", "hover", "definition", "prepareRename"):
        server.ask(f"textDocument/{method}", there)
    server.ask("textDocument/references", {**there, "context": {"includeDeclaration": True}})
    server.ask("textDocument/documentSymbol", {"textDocument": {"uri": uri}})
    asked = {"start": _position((0, 0)), "end": position}
    server.ask(
        "textDocument/codeAction", {"textDocument": {"uri": uri}, "range": asked, "context": {"diagnostics": []}}
    )
    refusal = None
    try:
        server.ask("textDocument/rename", {**there, "newName": "new"})
    except Refused as refused:
        refusal = refused.args[0]
    assert refusal in (None, -32602)  # the name was taken, or no file's


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(_TEXTS), st.data(), _EDITS, _PLACES)
def test_any_prefix_and_any_edits_are_answered(
    server: Editor, whole: str, data: st.DataObject, edits: list[_Edit], place: tuple[int, int]
) -> None:
    text = whole[: data.draw(st.integers(0, len(whole)))]
    uri = server.open("main.dsl", text)
    for edit in edits:
        change = {"range": {"start": _position(edit.start), "end": _position(edit.end)}, "text": edit.text}
        server.change(uri, change)
        text = _changed(text, edit)
        _ask_everything(server, uri, place)
    unsaved = {str(Path(server.folder, "main.dsl").resolve()): text.encode(errors="surrogatepass")}
    said = [one.message for one in in_order(load(str(server.folder / "main.dsl"), unsaved).diagnostics)]
    shown = server.messages(uri)
    assert [message for message in shown if "target " not in message] == [message.split("\n")[0] for message in said]
    server.close(uri)

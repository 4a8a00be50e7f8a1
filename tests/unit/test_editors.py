"""The files for editors have the grammar's words: a new statement needs a line in each of them."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lark.lexer import PatternStr

from support.files import EXAMPLES
from support.tools.project import ROOT
from svcc import __version__
from svcc.compiler.syntax_error import STATEMENTS
from svcc.grammar import parser

EDITORS = ROOT / "editors"
_GRAMMAR: dict[str, Any] = json.loads((EDITORS / "vscode/syntaxes/svcc.tmLanguage.json").read_text())
_RULES: dict[str, dict[str, Any]] = _GRAMMAR["repository"]


def _words() -> dict[str, set[str]]:
    """The grammar's words: those that begin items, those that begin statements, and the others."""
    words = {t.pattern.value for t in parser().terminals if isinstance(t.pattern, PatternStr)}
    words = {word for word in words if word[0].isalpha()}
    blocks = {*STATEMENTS[""]}
    statements = {word for listed in STATEMENTS.values() for word in listed} - blocks
    return {"block": blocks, "statement": statements, "option": words - blocks - statements}


def _of_textmate(rule: str) -> set[str]:
    """The words of a rule: the first group that lists some."""
    found = re.search(r"\(([a-z|-]+)\)", _RULES[rule]["match"])
    assert found is not None
    return {*found[1].split("|")}


def _of_vim(group: str) -> set[str]:
    text = (EDITORS / "vim/syntax/svcc.vim").read_text()
    lines = re.findall(rf"^syntax keyword {group} (.*)$", text, re.MULTILINE)
    return {word for line in lines for word in line.split()}


@pytest.mark.parametrize("sort", ["block", "statement", "option"])
def test_each_editor_knows_the_words_of_the_grammar(sort: str) -> None:
    assert _of_textmate(sort) == _of_vim(f"svcc{sort.title()}") == _words()[sort]


def _scopes(text: str) -> Iterator[tuple[str, str]]:
    """What a TextMate grammar of single matches makes of a text: at each place the rule that matches first."""
    order = [pattern["include"].removeprefix("#") for pattern in _GRAMMAR["patterns"]]
    assert {*order} == {*_RULES}
    for line in text.splitlines():
        at = 0
        while at < len(line):
            tried = [(number, re.compile(_RULES[name]["match"]).search(line, at)) for number, name in enumerate(order)]
            matches = [(found.start(), number, found) for number, found in tried if found is not None]
            if not matches:
                break
            _, number, found = min(matches, key=lambda match: match[:2])
            yield order[number], found[1] if order[number] == "block" else found.group()
            at = max(found.end(), at + 1)


def test_a_text_is_coloured_by_what_its_words_are() -> None:
    text = 'service shop/vip { port http 80/tcp -> 8080; affinity client-ip 3h # "vip\n  vip $corp 10.0.0.1 fd00::1 }'
    assert [*_scopes(text)] == [
        ("block", "service"),
        ("statement", "port"),
        ("port", "80/tcp"),
        ("sign", "->"),
        ("number", "8080"),
        ("statement", "affinity"),
        ("number", "3h"),
        ("comment", '# "vip'),
        ("statement", "vip"),
        ("variable", "$corp"),
        ("address", "10.0.0.1"),
        ("address", "fd00::1"),
    ]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_statement_of_an_example_is_coloured(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = re.sub(r"#.*|\"[^\"]*\"", "", text)
    begun = re.findall(r"^\s*([a-z][a-z-]*)(?=[ \t])", code, re.MULTILINE)
    coloured = [word for sort, word in _scopes(text) if sort in ("block", "statement")]
    assert begun
    assert {*begun} <= {*coloured}


def test_the_extension_is_of_the_version_that_the_project_is() -> None:
    package = json.loads((EDITORS / "vscode/package.json").read_text())
    assert package["version"] == __version__
    assert (EDITORS / "vscode/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    named = [package["main"], package["contributes"]["languages"][0]["configuration"]]
    named += [grammar["path"] for grammar in package["contributes"]["grammars"]]
    assert [name for name in named if not (EDITORS / "vscode" / name).is_file()] == []
    json.loads((EDITORS / "vscode/language-configuration.json").read_text())
    assert package["contributes"]["grammars"][0]["scopeName"] == _GRAMMAR["scopeName"]


def test_each_editor_starts_the_server() -> None:
    helix = tomllib.loads((EDITORS / "helix/languages.toml").read_text())
    assert helix["language-server"]["svcc"] == {"command": "svcc", "args": ["lsp"]}
    assert 'cmd = { "svcc", "lsp" }' in (EDITORS / "vim/README.md").read_text()
    assert 'args: ["lsp"]' in (EDITORS / "vscode/extension.js").read_text()

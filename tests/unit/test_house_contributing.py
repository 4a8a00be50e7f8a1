"""Each file that CONTRIBUTING.md names exists."""

from __future__ import annotations

import re

from support.tools.project import ROOT

_NAME = re.compile(r"`([\w./-]+(?:/|\.(?:py|md|toml|lark|json)))`")
#: Folders that a sentence or table has named before, so that it goes on with what is in them.
_FOLDERS = ("", "tests", "tests/golden", "compiler", "apply", "targets/nft")
#: Words that stand for any name.
_ANY = re.compile(r"\b(?:TARGET|KIND|CASE)\b")


def named() -> set[str]:
    """The files and folders that the text names, also those that stand for several."""
    return set(_NAME.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))


def test_what_it_names_is_there() -> None:
    found = named()
    assert len(found) > 50
    missing = (name for name in found if not any((ROOT / folder / name).exists() for folder in _FOLDERS))
    assert sorted(name for name in missing if not _ANY.search(name)) == []


def test_ten_changes_have_their_files() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.partition("## Ten changes")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| to change")]
    assert len(rows) == 10
    assert all(_NAME.search(cell) for row in rows for cell in row.split(" | ")[1:])

"""The files that keepalived.conf includes: where they are looked for, and which are not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from svcc.compiler.codes import Code
from svcc.compiler.importers.interface import Broken, Note
from svcc.compiler.importers.keepalived_text import Statement, statements
from svcc.compiler.source import Source


def read(path: Path, notes: list[Note] | None = None) -> list[Statement]:
    return statements([Source(str(path), path.read_text())], [] if notes is None else notes)


def refusal(path: Path) -> tuple[Code, str]:
    with pytest.raises(Broken) as caught:
        read(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.span is not None
    return diagnostic.code, diagnostic.message


@pytest.fixture
def main(tmp_path: Path) -> Path:
    return tmp_path / "keepalived.conf"


def test_a_file_stands_where_it_is_named(main: Path) -> None:
    (main.parent / "a").mkdir()
    main.write_text("x {\n  include a/*.conf\n  last\n}\n")
    (main.parent / "a" / "1.conf").write_text("first\ninclude 2.inc.conf\n")
    (main.parent / "a" / "2.inc.conf").write_text("second {\n}")
    (block,) = read(main)
    assert [statement.keyword for statement in block.block or ()] == ["first", "second", "second", "last"]


def test_no_match_is_noted(main: Path) -> None:
    main.write_text("include none/*.conf\n")
    notes: list[Note] = []
    assert read(main, notes) == []
    assert [note.reason for note in notes] == ["no file matches"]


def test_root_includes_no_files_of_other_kinds(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whoever may write the file could have root show them any other."""
    secret = main.parent / "shadow"
    secret.write_text("root:x\n")
    (main.parent / "link.conf").symlink_to(secret)
    main.write_text("include *.conf\n")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    main.rename(main.with_suffix(".txt"))
    code, message = refusal(main.with_suffix(".txt"))
    assert (code, message.split(": ")[1]) == (Code.UNREADABLE, "as root, import includes only files that end in .conf")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert [statement.keyword for statement in read(main.with_suffix(".txt"))] == ["root:x"]


def test_a_folder(main: Path) -> None:
    (main.parent / "a.conf").mkdir()
    main.write_text("include a.conf\n")
    assert refusal(main) == (Code.UNREADABLE, f"cannot read {main.parent / 'a.conf'}: Is a directory")


def test_files_that_include_each_other(main: Path) -> None:
    main.write_text("include other.conf\n")
    (main.parent / "other.conf").write_text("include keepalived.conf\n")
    assert refusal(main)[1] == f"cannot read {main}: files include each other"


def test_too_deep(main: Path) -> None:
    for number in range(30):
        (main.parent / f"{number}.conf").write_text(f"include {number + 1}.conf\n")
    assert refusal(main.parent / "0.conf")[1].endswith("includes go more than 20 deep")


def test_a_text_that_is_none(main: Path) -> None:
    main.write_text("include other.conf\n")
    (main.parent / "other.conf").write_bytes(b"a\xff\n")
    assert refusal(main)[0] is Code.ENCODING

"""Texts that an editor has open are read in place of their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from svcc.compiler.load import load
from svcc.compiler.sources import matching, matching_names

_POOL = "endpoints web-pool { 100.64.0.9 }\n"
_SERVICE = "service web { vip 198.19.10.0; port 80/tcp; endpoints web-pool }\n"


def _said(path: Path, unsaved: dict[str, bytes]) -> list[str]:
    return [diagnostic.message for diagnostic in load(str(path), unsaved).diagnostics]


def test_a_text_is_read_in_place_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "main.dsl").write_text(f'include "pool.dsl"\n{_SERVICE}')
    (tmp_path / "pool.dsl").write_text("endpoints other { 100.64.0.9 }\n")
    path, pool = tmp_path / "main.dsl", str((tmp_path / "pool.dsl").resolve())
    assert _said(path, {}) == ["there is no pool `web-pool`", "pool `other` is never used"]
    assert _said(path, {pool: _POOL.encode()}) == []
    assert _said(path, {pool: _POOL.encode(), str(path.resolve()): b"include 3"}) != []


def test_a_text_that_is_no_file_yet_is_included(tmp_path: Path) -> None:
    (tmp_path / "main.dsl").write_text(f'include "lib/*.dsl"\n{_SERVICE}')
    unsaved = {str(tmp_path.resolve() / "lib" / "pool.dsl"): _POOL.encode()}
    assert _said(tmp_path / "main.dsl", unsaved) == []


def test_a_text_that_a_link_leads_to_is_read(tmp_path: Path) -> None:
    (tmp_path / "main.dsl").write_text(f'include "link.dsl"\n{_SERVICE}')
    (tmp_path / "pool.dsl").write_text("")
    (tmp_path / "link.dsl").symlink_to("pool.dsl")
    assert _said(tmp_path / "main.dsl", {str((tmp_path / "pool.dsl").resolve()): _POOL.encode()}) == []


@pytest.mark.parametrize(
    "pattern",
    [
        *("*.dsl", "a.dsl", "./a.dsl", "lib/*.dsl", "lib/../*.dsl", "**", "**/*.dsl", "lib/**", "l?b/[ab].dsl"),
        *("lib/**/c.dsl", ".*", "../*/a.dsl", "*", ".h/*", "*/b.dsl", "**/b.dsl", "nothing", "", "lib/[!a].dsl"),
    ],
)
def test_a_pattern_names_the_same_files_whether_they_are_there_or_not(tmp_path: Path, pattern: str) -> None:
    names = ["top/a.dsl", "top/lib/a.dsl", "top/lib/b.dsl", "top/lib/deep/c.dsl", "top/.h/a.dsl", "top/.a.dsl"]
    names += ["beside/a.dsl", "top/a", "top/lib/.h/c.dsl"]
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    top = tmp_path / "top"
    on_disk = {(top / name).resolve() for name in matching(top, pattern) if (top / name).is_file()}
    assert {(top / name).resolve() for name in matching_names(map(str, paths), top, pattern)} == on_disk

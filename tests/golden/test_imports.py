"""What files of other programs become, what is reported of them, and what is said of broken ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from support.command_line import svcc
from support.golden_files import compare
from support.imports import CASES, IMPORTS, KINDS, PROGRAM, REPORT, inputs
from support.tools.project import ROOT
from svcc.compiler.importers import importers

_SCHEMA = Draft202012Validator(json.loads((ROOT / "svcc" / "import.schema.json").read_text(encoding="utf-8")))


def test_every_kind_has_cases_and_broken_files() -> None:
    assert list(importers()) == KINDS == sorted({case.parent.name for case in CASES})
    assert [kind for kind in KINDS if not any((IMPORTS / kind / "broken").iterdir())] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_what_becomes_of_it(case: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(case)
    names = [path.name for path in inputs(case)]
    done = svcc("import", case.parent.name, *names)
    compare(case / PROGRAM, done.text, update_golden)
    compare(case / REPORT, done.err, update_golden)
    checked = svcc("check", "-", stdin=done.out)
    assert checked.status == 0, checked.err
    program, report = tmp_path / "program.dsl", tmp_path / "report.json"
    quiet = svcc("import", case.parent.name, *names, "-o", program, "--report", report, "--json")
    assert (quiet.status, quiet.out, quiet.err) == (done.status, b"", "")
    assert program.read_bytes() == done.out
    found = json.loads(report.read_text(encoding="utf-8"))
    _SCHEMA.validate(found)
    assert len(found["notes"]) == len(done.err.splitlines()) - 1
    assert done.status == (1 if found["notes"] else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_of_broken_files(kind: str, update_golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them with a place in the file."""
    monkeypatch.chdir(IMPORTS / kind / "broken")
    said = []
    for path in sorted(Path().iterdir()):
        done = svcc("import", kind, path)
        assert (done.status, done.out) == (2, b""), path
        assert f"--> {path}:" in done.err
        said.append(done.err)
    compare(IMPORTS / kind / "broken.txt", "\n".join(said), update_golden)

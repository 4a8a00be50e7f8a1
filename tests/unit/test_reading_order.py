"""Of two things that clash, the error is at the second one, for a reader who reads a file where it is included."""

from __future__ import annotations

from pathlib import Path

import pytest

from svcc.compiler.load import load

_WEB = "service {} {{ vip 198.19.0.{}; port 80/tcp nodeport {}; endpoints {{ 100.64.0.9 }} }}\n"

#: By case: the files (main.dsl is given), the code, and the places of the error and of what it names beside.
CASES: dict[str, tuple[dict[str, str], str, str, str]] = {
    "a block after an include": (
        {"main.dsl": 'include "a.dsl"\ncluster { prefix A }\n', "a.dsl": "cluster { prefix B }\n"},
        *("SVC020", "main.dsl:2", "a.dsl:1"),
    ),
    "a block before an include": (
        {"main.dsl": 'cluster { prefix A }\ninclude "a.dsl"\n', "a.dsl": "cluster { prefix B }\n"},
        *("SVC020", "a.dsl:1", "main.dsl:1"),
    ),
    "a service, in an include of an include": (
        {
            "main.dsl": 'include "z.dsl"\n' + _WEB.format("web", 1, 30080),
            "z.dsl": '# nothing\ninclude "a.dsl"\n',
            "a.dsl": _WEB.format("web", 2, 30081),
        },
        *("SVC010", "main.dsl:2", "a.dsl:1"),
    ),
    "node ports, whatever files and services are called": (
        {"main.dsl": 'include "z.dsl"\n' + _WEB.format("a", 1, 30080), "z.dsl": _WEB.format("z", 2, 30080)},
        *("SVC044", "main.dsl:2", "z.dsl:1"),
    ),
    "a range after a port in it": (
        {"main.dsl": _WEB.format("c", 1, 30080) + _WEB.format("b", 2, "30075-30084").replace("80/tcp", "80-89/tcp")},
        *("SVC044", "main.dsl:2", "main.dsl:1"),
    ),
    "a vip, in files side by side": (
        {
            "main.dsl": 'include "*-web.dsl"\n',
            "a-web.dsl": "# nothing\n" + _WEB.format("z", 1, 30080),
            "b-web.dsl": _WEB.format("a", 1, 30081),
        },
        *("SVC043", "b-web.dsl:1", "a-web.dsl:2"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_second_is_to_blame(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, code, second, first = CASES[case]
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (found,) = load("main.dsl").diagnostics
    spans = found.span, found.related[0].span
    places = [f"{Path(span.source.name).name}:{span.source.position(span.start)[0]}" for span in spans if span]
    assert (found.code.id, *places) == (code, second, first)

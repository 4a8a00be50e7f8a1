"""Whatever a file is: what an importer makes of it passes `svcc check`, or there is a finding with a place."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.imports import CASES, IMPORTS, KINDS, inputs, sources
from support.soundness import assert_inside, assert_reportable
from svcc.commands.import_ import findings
from svcc.compiler import ir
from svcc.compiler.diagnostic import Severity
from svcc.compiler.importers import importers
from svcc.compiler.importers.interface import Broken, Imported
from svcc.compiler.importers.sound import sound
from svcc.compiler.load import load_text
from svcc.compiler.printing import program_text
from svcc.compiler.report import as_text
from svcc.compiler.source import Source
from svcc.import_report import report_json, report_text

_TOKEN = re.compile(r"[\w.]+|\s+|.", re.DOTALL)
#: What stands somewhere in such files, and what should not.
_WORDS = (
    *("0", "1", "80", "65535", "65536", "-1", "99999999999999999999999", "0x10", "1e5", "1.5", "٣"),
    *(
        "127.0.0.1",
        "198.51.100.10",
        "10.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "1.2.3",
        "fd00::1",
        "fe80::1%e",
    ),
    *("::ffff:10.0.0.1", "[fd00::1]:80", "10.0.0.0/8", "10.0.0.1-10.0.0.9", "true", "null", "tcp", "udp", "TCP", "rr"),
    *(
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        "\\",
        "#",
        "!",
        "\n",
        "\r\n",
        "\t",
        " ",
        "-",
        "--",
        "=",
        "é",
        "\x1b",
        "\u2028",
        "\x0b",
    ),
)


def seeds(kind: str) -> list[list[Path]]:
    cases = [inputs(case) for case in CASES if case.parent.name == kind]
    return [*cases, *([path] for path in sorted((IMPORTS / kind / "broken").iterdir()))]


def assert_answered(kind: str, texts: list[Source]) -> Imported | None:
    """A program that passes `svcc check` and a report that can be printed, or findings with places."""
    answer = _answer(kind, texts)
    if isinstance(answer, Broken):
        assert answer.diagnostics
        assert all(d.severity is Severity.ERROR and (d.span or d.file) for d in answer.diagnostics)
        assert_reportable(answer.diagnostics)
        return None
    imported = sound(answer, findings)
    text = program_text(imported.program)
    loaded = load_text(Source("imported.dsl", text))
    assert loaded.program == normal(imported.program), f"{as_text(loaded.diagnostics)}\n{text}"
    assert not [d for d in findings(imported.program) if d.severity is Severity.ERROR]
    for note in imported.notes:
        assert_inside(note.span)
        assert note.reason
    assert report_text(imported).count("\n") == len(imported.notes) + 1
    assert len(report_json(kind, imported)["notes"]) == len(imported.notes)
    return imported


def _answer(kind: str, texts: list[Source]) -> Imported | Broken:
    try:
        return importers()[kind].read(texts)
    except Broken as broken:
        return broken


def normal(program: ir.Program) -> ir.Program:
    return ir.Program(
        program.cluster,
        tuple(sorted(program.nodes, key=lambda node: node.name)),
        tuple(sorted(program.services, key=lambda service: service.name)),
    )


def changed(text: str, random: Random) -> str:
    """The text with some of its words and lines gone, doubled, in another place, or others."""
    words = _TOKEN.findall(text)
    for _ in range(random.choice((1, 1, 2, 5))):
        if not words:
            break
        at, other = random.randrange(len(words)), random.randrange(len(words))
        count = random.choice((1, 1, 3, 20))
        match random.randrange(5):
            case 0:
                del words[at : at + count]
            case 1:
                words[at:at] = words[at : at + count]
            case 2:
                words[at] = words[other]
            case 3:
                words[at] = random.choice(_WORDS)
            case _:
                words.insert(at, random.choice(_WORDS))
    return "".join(words)


@pytest.mark.parametrize("kind", KINDS)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_files_with_some_words_changed(kind: str, seed: int) -> None:
    random = Random(seed)
    texts = sources(random.choice(seeds(kind)))
    assert_answered(kind, [Source(s.name, changed(s.text, random).replace("\0", "")) for s in texts])


@pytest.mark.parametrize("kind", KINDS)
@given(st.text(st.characters(exclude_characters="\0", codec="utf-8")))
def test_any_text(kind: str, text: str) -> None:
    assert_answered(kind, [Source("x", text)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("piece", ["{", "[", '{"a":', "[{", "- ", "a: {", "a {\n", '"', "-", "# ", "a\n", "\\"])
def test_a_hundred_thousand_times_the_same(kind: str, piece: str) -> None:
    assert_answered(kind, [Source("x", piece * 100_000)])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_files_give_the_same_program(kind: str) -> None:
    for paths in seeds(kind):
        first, second = (assert_answered(kind, sources(paths)) for _ in range(2))
        assert (first and program_text(first.program)) == (second and program_text(second.program))

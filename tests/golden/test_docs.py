"""The parts of the documentation that are made from the code, and the claims that can be tried."""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from textwrap import fill

import click
import pytest
from _pytest.mark import ParameterSet
from click.testing import CliRunner

from support.console_blocks import blocks_of, shows
from support.explained import check, refusals
from support.golden_files import compare
from support.laid_out import is_text_of_the_language, laid_out
from support.tools import supported
from support.tools.project import ROOT
from svcc.command_line import svcc
from svcc.compiler.explanations import Explanation, explanations
from svcc.compiler.features import Feature
from svcc.compiler.importers import importers
from svcc.compiler.syntax_error import STATEMENTS
from svcc.kernel.namespaces import Namespace
from svcc.targets import targets

DOCS = ROOT / "docs"


def diagnostics_page(place: Path) -> Iterator[str]:
    """Every code with its explanation, and what svcc says of the example; ``place`` is an empty folder."""
    yield "# Diagnostics\n\n"
    yield "Every finding has a code. `svcc check FILE --format text|json|sarif|github` prints them, and\n"
    yield "`svcc explain CODE` says what is below. This page is made from `compiler/explanations.toml`:\n"
    yield "`pytest tests/golden/test_docs.py --update-golden` rewrites it.\n"
    for code, explanation in explanations().items():
        yield f"\n## {code.id}: {code.title}\n\n{fill(explanation.about, 120, break_on_hyphens=False)}\n"
        yield f"\nBefore{explanation.where}:\n\n```\n{explanation.before}```\n"
        if said := _said(explanation, place / code.id):
            yield f"\n```\n{said}```\n"
        yield f"\nAfter:\n\n```\n{explanation.after}```\n"


def _said(explanation: Explanation, place: Path) -> str:
    """The first finding of the example, "" where only a machine makes it."""
    if explanation.bundle is not None:
        return next(refusals(explanation)) or ""
    if explanation.machine is not None:
        return ""
    said = check(explanation, explanation.before, explanation.encoding, place).err
    return f"{said.split(chr(10) * 2)[0].rstrip()}\n"


def feature_table() -> str:
    """Which target expresses which statement, from the targets' own declarations."""
    kernel = [target for target in targets().values() if target.loads]
    rows = [["statement", *(target.name for target in kernel)], ["---"] * (len(kernel) + 1)]
    for feature in Feature:
        cells = ("yes" if feature in t.features else "no" for t in kernel)
        notes = (t.features.get(feature, t.lacks.get(feature, "")) for t in kernel)
        rows.append([f"`{feature.value}`", *(f"{c}: {n}" if n else c for c, n in zip(cells, notes, strict=True))])
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in rows)


def test_what_a_target_does_not_express_has_a_reason() -> None:
    """And what it does express has none."""
    for target in (target for target in targets().values() if target.loads):
        assert target.lacks.keys() == set(Feature) - target.features.keys(), target.name


def parts_table() -> str:
    """Every part of every target, without the heading, which the page has."""
    return "".join(
        f"| {target.name} | {part.name} | `{part.file}` | `{part.tool}` |\n"
        for target in targets().values()
        for part in target.parts
    )


def with_generated(text: str, table: str, source: str = "targets") -> str:
    """The page with the table between its two comments; a blank line would end a table that began before."""
    begin, end = f"<!-- made from the {source}' declarations -->\n", "<!-- end -->"
    head, rest = text.split(begin)
    return f"{head}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}"


def test_diagnostics_page(update_golden: bool, tmp_path: Path) -> None:
    compare(DOCS / "diagnostics.md", "".join(diagnostics_page(tmp_path)), update_golden)


def test_feature_table(update_golden: bool) -> None:
    page = DOCS / "targets.md"
    compare(page, with_generated(page.read_text(encoding="utf-8"), feature_table()), update_golden)


def test_parts_table(update_golden: bool) -> None:
    page = DOCS / "operating.md"
    heading = "| target | part | file | loaded by |\n|---|---|---|---|\n"
    compare(page, with_generated(page.read_text(encoding="utf-8"), heading + parts_table()), update_golden)


def test_kinds_table(update_golden: bool) -> None:
    page = DOCS / "import.md"
    table = "| kind | files |\n|---|---|\n" + "".join(f"| {i.name} | {i.title} |\n" for i in importers().values())
    compare(page, with_generated(page.read_text(encoding="utf-8"), table, "importers"), update_golden)


def test_supported_table(update_golden: bool) -> None:
    page = DOCS / "supported.md"
    compare(page, with_generated(page.read_text(encoding="utf-8"), supported.table(), "tests"), update_golden)


#: Blocks of commands, each with what it prints.
CONSOLE = [block for page in (ROOT / "README.md", DOCS / "import.md") for block in blocks_of(page)]
_KERNEL = ("svcc verify", "svcc apply", "svcc plan")


def _marked(block: list[tuple[str, str]]) -> ParameterSet:
    needs_kernel = any(command.startswith(_KERNEL) for command, _ in block)
    return pytest.param(block, marks=[pytest.mark.kernel] * needs_kernel, id=block[0][0])


@pytest.mark.parametrize("block", [_marked(block) for block in CONSOLE])
def test_pages_show_what_svcc_prints(
    block: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The commands' real output."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("SVCC_STATE_DIR", str(tmp_path / "state"))
    with _namespace() if request.node.get_closest_marker("kernel") else nullcontext():
        for command, shown in block:
            printed = CliRunner().invoke(svcc, shlex.split(command)[1:]).output
            assert shows(shown, printed), f"it does not print\n{shown}\nbut\n{printed}"


@pytest.mark.kernel
def test_the_page_on_the_api_shows_what_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its examples are one session of Python, in a folder with the file that it shows first."""
    monkeypatch.chdir(tmp_path)
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(pycon|python|)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    programs = [block for kind, block in blocks if not kind]
    (tmp_path / "shop.dsl").write_text(programs[0])
    session = "\n".join(block for kind, block in blocks if kind == "pycon")
    example = doctest.DocTestParser().get_doctest(session, {}, "docs/api.md", None, None)
    assert len(example.examples) > 10
    said: list[str] = []
    with _namespace():
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert said == []


@contextmanager
def _namespace() -> Iterator[None]:
    namespace = Namespace("readme")
    try:
        with namespace.entered():
            yield
    finally:
        namespace.close()


def test_pages_show_something() -> None:
    assert len(CONSOLE) >= 6


def test_the_language_page_has_every_statement() -> None:
    """Each as code with what follows it, or as a line of an example."""
    page = (DOCS / "language.md").read_text(encoding="utf-8")
    forms = re.findall(r"`([\w-]+) [^`\n]+`", page)
    examples = re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    lines = [line.split()[0] for example in examples for line in example.splitlines() if line]
    assert {statement for statements in STATEMENTS.values() for statement in statements} - {*forms, *lines} == set()


def _samples() -> Iterator[ParameterSet]:
    """Blocks of the pages that are programs, not what svcc prints and not sketches with ``…``."""
    for page in sorted((*DOCS.glob("*.md"), *ROOT.glob("*.md"))):
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        for kind, block in blocks:
            if not kind and is_text_of_the_language(block):
                yield pytest.param(block, id=f"{page.stem}: {block.splitlines()[0]}")


SAMPLES = list(_samples())


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples_are_in_the_one_layout(sample: str) -> None:
    assert laid_out(sample) == sample


def test_the_pages_have_samples() -> None:
    assert len(SAMPLES) >= 4


def _commands() -> Iterator[ParameterSet]:
    """The lines of the pages' blocks for a shell that call svcc, without their comments."""
    for page in sorted((*DOCS.glob("*.md"), *ROOT.glob("*.md"))):
        for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                if line.startswith("svcc "):
                    words = shlex.split(line, comments=True)
                    yield pytest.param(words[1:], id=f"{page.stem}: {' '.join(words)}")


COMMANDS = list(_commands())


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_of_the_pages_are_commands_of_svcc(words: list[str]) -> None:
    """Names and options, that is; what they print is shown, and tried, where a page has their output."""
    command: click.Command = svcc
    context = click.Context(command, info_name="svcc")
    while isinstance(command, click.Group):
        known = command.list_commands(context)
        # `svcc agent FILE` is `svcc agent run FILE`.
        name = words[0] if words[0] in known or "run" not in known else "run"
        found = command.get_command(context, name)
        assert found is not None, name
        words = words[words[0] == name :]
        command, context = found, click.Context(found, context, info_name=name)
    assert "--help" in words or command.make_parser(context).parse_args(list(words))


def test_the_pages_have_commands() -> None:
    assert len(COMMANDS) > 30


def test_links_lead_somewhere() -> None:
    pages = {page: page.read_text(encoding="utf-8") for page in (*DOCS.glob("*.md"), *ROOT.glob("*.md"))}
    links = [(page, link) for page, text in pages.items() for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]
    assert len(links) > 10
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []

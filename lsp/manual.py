"""What docs/language.md says about statements and words. It is read from the tables of the page itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

_CELL = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_WORD = re.compile(r"[a-z][a-z-]*")
#: The headings of sections, with the blocks whose statements they describe.
_BLOCKS = {
    "Everything between blocks": ("",),
    "`cluster`": ("cluster",),
    "`node NAME`": ("node",),
    "`service NAME`": ("service", "defaults"),
    "`balancer NAME`": ("balancer",),
    "Checks": ("check",),
    "Endpoint lines": ("endpoints",),
}


@dataclass(slots=True)
class _Section:
    rows: list[list[str]] = field(default_factory=list)
    paragraphs: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)


def about(block: str, word: str) -> str | None:
    """Return Markdown about a statement of a block ("" is the top of the file), or about a word in one.

    Return None for other words.
    """
    return _entries().get((block, word)) or _entries().get(("", word))


@cache
def _entries() -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], list[str]] = {}
    sections = _sections(files(__package__).joinpath("language.md").read_text(encoding="utf-8"))
    for heading, section in sections.items():
        for block in _BLOCKS.get(heading, ()):
            for word, text in (*_of_rows(section), *_of_text(heading, section)):
                found.setdefault((block, word), []).append(text)
        for block in _BLOCKS.get(heading, ()):
            for word, text in _mentioned(section):
                found.setdefault((block, word), [text])
    for word, text in _of_code(sections["The language"].code):
        found.setdefault(("", word), []).insert(0, text)
    return {key: "\n\n---\n\n".join(dict.fromkeys(texts)) for key, texts in found.items()}


def _sections(page: str) -> dict[str, _Section]:
    """Return the text below each heading, up to the next one. Lines of examples are no headings."""
    texts: dict[str, list[str]] = {}
    lines: list[str] = []
    example = False
    for line in page.splitlines():
        example ^= line.startswith("```")
        if line.startswith("#") and not example:
            lines = texts.setdefault(line.lstrip("# "), [])
        else:
            lines.append(line)
    return {heading: _section("\n".join(lines)) for heading, lines in texts.items()}


def _section(text: str) -> _Section:
    section = _Section()
    for number, piece in enumerate(text.split("```")):
        if number % 2:
            section.code += piece.splitlines()
            continue
        for paragraph in re.split(r"\n\s*\n", piece.strip()):
            lines = paragraph.splitlines()
            if lines and lines[0].startswith("|"):
                section.rows += [_cells(line) for line in lines]
            elif paragraph:
                section.paragraphs.append(_LINK.sub(r"\1", " ".join(lines)))
    return section


def _cells(line: str) -> list[str]:
    return [_LINK.sub(r"\1", cell.strip().replace("\\|", "|")) for cell in _CELL.split(line)[1:-1]]


def _of_rows(section: _Section) -> Iterator[tuple[str, str]]:
    """Yield each row with the words with which it begins: ``fall N``, ``rise N`` gives two."""
    heading: list[str] = []
    for number, row in enumerate(section.rows):
        if number + 1 < len(section.rows) and section.rows[number + 1][0].startswith("---"):
            heading = row
        elif not row[0].startswith("---"):
            text = _row(heading, row)
            for written in re.findall(r"`([^`]+)`", row[0]):
                word = _WORD.match(written)
                if word is not None:
                    yield word.group(), text


def _mentioned(section: _Section) -> Iterator[tuple[str, str]]:
    """Yield words without a row of their own, each with a row that mentions it."""
    for row in section.rows:
        for word in re.findall(r"`([a-z-]+)`", row[-1]):
            yield word, f"{row[0]}\n\n{row[-1]}"


def _row(heading: list[str], row: list[str]) -> str:
    default = row[1] if len(row) > 2 and heading[1:2] == ["default"] else ""
    return f"{row[0]}\n\n{row[-1]}" + (f"\n\nDefault: {default}" if default else "")


def _of_text(heading: str, section: _Section) -> Iterator[tuple[str, str]]:
    """Yield, where a section has no table, the paragraph or the lines of the example that name the word."""
    if heading == "`node NAME`":
        for word in ("address", "zone", "instance"):
            yield word, section.paragraphs[0]
    if heading == "Endpoint lines":
        example = "```\n" + "\n".join(line.strip() for line in section.code[1:-1] if line) + "\n```"
        for word in {word for line in section.code[1:-1] for word in _WORD.findall(line.split("#")[0])}:
            yield word, f"{example}\n\n{section.paragraphs[0]}"


def _of_code(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the lines of the page's first example: statements between blocks, each with a comment."""
    for line in lines:
        code, sign, comment = line.partition("#")
        if sign and code.split():
            yield code.split()[0], f"`{' '.join(code.split())}`\n\n{comment.strip().capitalize()}."

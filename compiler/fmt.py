"""The one layout of programs, as docs/language.md describes it. It changes no word and no comment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lark import Token, UnexpectedInput

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.fmt_items import Alone, Comment, Group, Item, LaidOutStatement, read_items
from svcc.compiler.include import parse_shown, too_much
from svcc.compiler.load import load_json
from svcc.compiler.source import Source, Span

#: The columns that a group in brackets may take on one line. A longer group gets several lines.
WIDTH = 100
#: The column, from 0, of comments behind code. Where the code is longer, the comment stands two blanks behind it.
COMMENT_COLUMN = 40
#: The first column for what follows an address, so that one more digit moves no other line.
_BEHIND_ADDRESS = 16
#: A keyword, name or address that is longer than this moves no other line.
_LONGEST_KEY = 40
_ADDRESSES = ("ADDRESS", "BRACKETED", "VARIABLE")
_INDENT = "  "


def format_source(source: Source, path: Path | None = None) -> str | list[Diagnostic]:
    """Return the text in the one layout, or what is wrong with its syntax. ``path``: the file's own place, resolved.

    It does not follow includes. Line ends are those of the first line. A text that is in this layout already stays as
    it is.
    """
    if source.is_json():
        return [_json(source)]
    if too_much(source) is not None:
        return parse_shown(source, path)[1]
    try:
        items = read_items(source.text)
    except UnexpectedInput:
        return parse_shown(source, path)[1]
    if not source.text.isascii() and (wrong := parse_shown(source, path)[1]):
        return wrong  # characters that no comment may have
    printer = _Printer()
    printer.items(items, "", aligned=False)
    first_end = source.text.find("\n")
    end = "\r\n" if first_end > 0 and source.text[first_end - 1] == "\r" else "\n"
    return "".join(line + end for line in printer.lines)


def _json(source: Source) -> Diagnostic:
    foreign = next((one for one in load_json(source)[1] if one.code is Code.FOREIGN), None)
    if foreign is not None:
        return foreign
    start = len(source.text) - len(source.text.lstrip())
    hint = f"svcc compile {source.name} --target ir prints a program as JSON in its one layout"
    return Diagnostic(Code.SYNTAX, "this is JSON, which fmt does not lay out", Span(source, start, start + 1), hint)


class _Printer:
    """Makes lines of items."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._column = 0  # the column of the last comment behind code

    def items(self, items: Sequence[Item], indent: str, *, aligned: bool, end: str = "") -> None:
        """Write each item on lines of its own. ``aligned``: what follows keywords and addresses stands in columns.

        ``end`` is written behind each statement.
        """
        for section in _sections(items):
            if section[0].after_blank:
                self.lines.append("")
            width = _key_width(section, indent) if aligned else 0
            for item in section:
                if isinstance(item, Alone):
                    self._alone(item, indent)
                else:
                    self._statement(item, indent, width, end)

    def _alone(self, item: Alone, indent: str) -> None:
        margin = " " * self._column if item.continues else indent
        self.lines.append(margin + item.comment.text)

    def _statement(self, statement: LaidOutStatement, indent: str, width: int, end: str) -> None:
        line = "" if _has_broken(statement) else indent + _flat(statement, width)
        if line and len(line) <= WIDTH:
            self._line(line + end, statement.comment)
            return
        line = indent
        for part, before in _spaced(statement, width):
            line += before
            if not isinstance(part, Group):
                line += part
            elif _is_empty(part):
                line += f"{part.opening} {part.closing}"
            else:
                self._line(line + part.opening, part.comment)
                block = part.opening == "{"
                self.items(part.items, indent + _INDENT, aligned=block, end="" if block else ",")
                line = indent + part.closing
        self._line(line + end, statement.comment)

    def _line(self, text: str, comment: Comment | None) -> None:
        if comment is not None:
            self._column = max(COMMENT_COLUMN, len(text) + 2)
            text = text.ljust(self._column) + comment.text
        self.lines.append(text)


def _sections(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield runs of items that have no blank line between them."""
    start = 0
    for at in range(1, len(items) + 1):
        if at == len(items) or items[at].after_blank:
            yield items[start:at]
            start = at


# ---- columns


def _key_length(statement: LaidOutStatement) -> int:
    """Return how many words stand in the first column: the keyword or address, and with ``port`` also its name."""
    for number, part in enumerate(statement.parts):
        if isinstance(part, Token) and part.type == "PORT_SPEC" and number:
            return number
    return 1


def _key_width(section: Sequence[Item], indent: str) -> int:
    """Return the width of the first column in characters, where another one follows.

    A statement that opens a block does not widen it.
    """
    widths = [0]
    for item in section:
        if isinstance(item, LaidOutStatement):
            key, rest = _split_key(item)
            if rest and not isinstance(rest[-1], Group):
                width = sum(map(len, key)) + len(key) - 1
                least = _BEHIND_ADDRESS - 1 - len(indent) if key[0].type in _ADDRESSES else 0
                widths.append(max(width, least) if width <= _LONGEST_KEY else 0)
    return max(widths)


def _split_key(statement: LaidOutStatement) -> tuple[list[Token], list[Token | Group]]:
    length = _key_length(statement)
    key = [part for part in statement.parts[:length] if isinstance(part, Token)]
    return key, statement.parts[length:]


def _spaced(statement: LaidOutStatement, width: int) -> Iterator[tuple[Token | Group, str]]:
    """Yield the parts of a statement, each with the blanks before it."""
    key, rest = _split_key(statement)
    written = 0
    for number, word in enumerate(key):
        yield word, " " if number else ""
        written += len(word) + bool(number)
    for number, part in enumerate(rest):
        padded = not number and isinstance(part, Token)
        yield part, " " * max(1, width + 1 - written) if padded else " "


# ---- in one line


def _has_broken(statement: LaidOutStatement) -> bool:
    return any(isinstance(part, Group) and part.broken and not _is_empty(part) for part in statement.parts)


def _is_empty(group: Group) -> bool:
    return not group.items and group.comment is None


def _flat(statement: LaidOutStatement, width: int = 0) -> str:
    return "".join(
        before + (_flat_group(part) if isinstance(part, Group) else part) for part, before in _spaced(statement, width)
    )


def _flat_group(group: Group) -> str:
    """Return the group in one line, without its comments."""
    inner = [_flat(item) for item in group.items if isinstance(item, LaidOutStatement)]
    if group.opening == "[":
        return f"[{', '.join(inner)}]"
    return f"{{ {'; '.join(inner)} }}" if inner else "{ }"

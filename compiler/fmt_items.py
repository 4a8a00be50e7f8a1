"""A file as it is written, with its comments and blank lines: statements, made of words and of groups in brackets.

The code follows the tree of the grammar: each rule with ``{`` is a group of statements, whatever its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

from lark import Lark, Token, Tree

from svcc.grammar import parser

_CLOSING = {"{": "}", "[": "]"}
#: The pieces of a gap: comments and line ends.
_PIECES = re.compile(r"#[^\n]*|\n")


@dataclass(slots=True)
class Comment:
    """A comment. ``text`` begins with ``#``; ``column``, from 0, is where it was written."""

    text: str
    column: int


@dataclass(slots=True)
class Group:
    """What stands between two brackets: statements, or the values of a list."""

    opening: str
    items: list[Item] = field(default_factory=list)
    comment: Comment | None = None  # behind the opening bracket
    broken: bool = False  # it was written on several lines

    @property
    def closing(self) -> str:
        """The bracket that ends the group."""
        return _CLOSING[self.opening]


@dataclass(slots=True)
class LaidOutStatement:
    """A statement to lay out, with its comment."""

    parts: list[Token | Group]
    after_blank: bool = False  # a blank line stands before it
    comment: Comment | None = None  # behind it, on its last line


@dataclass(slots=True)
class Alone:
    """A comment on a line of its own.

    ``continues``: it stands exactly below a comment behind code, and continues that.
    """

    comment: Comment
    after_blank: bool = False
    continues: bool = False


Item: TypeAlias = LaidOutStatement | Alone
_Child: TypeAlias = "Token | Tree[Token]"


@cache
def _parser() -> Lark:
    return parser(every_token=True)


def read_items(text: str) -> list[Item]:
    """Return the items of a file. Errors: lark.UnexpectedInput."""
    text = text if text.endswith("\n") else text + "\n"
    tree = _parser().parse(text)
    file = Group("{")
    reader = _GroupReader(text, file)
    reader.newlines = 1  # the first item stands behind nothing
    for child in tree.children:
        reader.take(child)
    return file.items


class _GroupReader:
    """Fills one group with what the parser found in it."""

    def __init__(self, text: str, group: Group) -> None:
        self.newlines = 0  # line ends since the last item
        self._text = text
        self._group = group
        # column of the comment behind code with which the last line ends, or of one below it
        self._below: int | None = None

    def take(self, child: _Child) -> None:
        if isinstance(child, Tree):
            self._add_statement(_parts(self._text, iter(child.children)))
        elif child.type in ("_END", "_COMMA"):
            self._take_gap(child)
        else:  # a value of a list
            self._add_statement([child])

    def _add_statement(self, parts: list[Token | Group]) -> None:
        self._group.items.append(LaidOutStatement(parts, self._after_blank()))
        self._group.broken |= any(part.broken for part in parts if isinstance(part, Group))
        self.newlines, self._below = 0, None

    def _after_blank(self) -> bool:
        return self.newlines > 1 and bool(self._group.items)

    def _take_gap(self, gap: Token) -> None:
        for piece in _PIECES.finditer(gap):
            if piece.group() == "\n":
                self.newlines += 1
                self._group.broken = True
            else:
                at = (gap.start_pos or 0) + piece.start()
                column = at - self._text.rfind("\n", 0, at) - 1
                self._add_comment(Comment(piece.group().rstrip(" \t\r"), column))

    def _add_comment(self, comment: Comment) -> None:
        if self.newlines:
            continues = self.newlines == 1 and comment.column == self._below
            self._group.items.append(Alone(comment, self._after_blank(), continues))
            self._below = comment.column if continues else None
        else:
            self._behind().comment = comment
            self._below = comment.column
        self.newlines = 0

    def _behind(self) -> LaidOutStatement | Group:
        """Return what stands on the line before a comment at its end."""
        last = self._group.items[-1] if self._group.items else self._group
        assert not isinstance(last, Alone), "a comment ends its line"
        return last


def _parts(text: str, children: Iterator[_Child]) -> list[Token | Group]:
    """Return the words of a statement, and the groups that it opens."""
    parts: list[Token | Group] = []
    for child in children:
        if isinstance(child, Tree):
            parts += _parts(text, iter(child.children))
        elif child in _CLOSING:
            parts.append(_group(text, child, children))
        else:
            parts.append(child)
    return parts


def _group(text: str, opening: Token, children: Iterator[_Child]) -> Group:
    """Return the group that ``opening`` begins, and take its closing bracket from ``children`` as well."""
    group = Group(str(opening))
    reader = _GroupReader(text, group)
    for child in children:
        if child == group.closing:
            break
        reader.take(child)
    return group

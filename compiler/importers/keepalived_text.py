"""Reads keepalived.conf as a tree of statements, with the files that it includes (keepalived.conf(5)).

A statement is a line of words; it may have a block of statements. Comments begin with ``#`` or ``!``, anywhere in a
line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.files import LIMIT, Budget, Unreadable, may_quote, resolved
from svcc.compiler.importers.interface import Broken, Note, broken
from svcc.compiler.importers.keepalived_parameters import LINE, Parameters
from svcc.compiler.importers.words import Word, over
from svcc.compiler.include import read_text
from svcc.compiler.source import Source, Span
from svcc.compiler.sources import matching

#: The most levels of blocks; keepalived itself has at most five.
_DEPTH = 20
#: The most levels of files that include files.
_INCLUDES = 20

_TOKEN = re.compile(
    r'[ \t\r\f\v]+|(?P<end>\n)|(?P<brace>[{}])|"(?P<quoted>[^"\n]*)"|[#!][^\n]*|(?P<word>(?:\$\{\w+\}|[^\s{}"#!])+)'
)
_INCLUDE = re.compile(r'[ \t]*include[rmwba]?[ \t]+"?([^"\n#!]*[^"\s#!])')
_LONG = re.compile(rf"[^\n]{{{LINE + 1}}}")


@dataclass(slots=True)
class Statement:
    """A statement: the words of its line, of which the first is the keyword, and the block behind them."""

    words: list[Word]
    block: list[Statement] | None = None
    end: Span | None = None  # the closing brace of the block

    @property
    def keyword(self) -> str:
        """The first word, which names the statement."""
        return self.words[0].text

    @property
    def values(self) -> Sequence[Word]:
        """The words after the first."""
        return self.words[1:]

    @property
    def head(self) -> Span:
        """The place of the words."""
        return over(self.words[0].span, self.words[-1].span)

    @property
    def span(self) -> Span:
        """The place of the words and of the block, if that is in the same file."""
        if self.end is None or self.end.source is not self.words[0].span.source:
            return self.head
        return over(self.words[0].span, self.end)

    def all(self, *keywords: str) -> list[Statement]:
        """Return the statements of its block with one of the keywords."""
        return [statement for statement in self.block or () if statement.keyword in keywords]


def statements(sources: Sequence[Source], notes: list[Note]) -> list[Statement]:
    """Return all statements of the files and of those that they include. Errors: Broken."""
    reader = _Reader(Budget(LIMIT - sum(len(source.text) for source in sources)), notes)
    for source in sources:
        path = Path(source.name)
        reader.read(source, (resolved(path),), path.parent)
    return reader.finished()


@dataclass(slots=True)
class _Reader:
    """Builds the tree.

    The statements of an included file stand where the file is named, perhaps in the middle of a block.
    """

    budget: Budget
    notes: list[Note]
    top: list[Statement] = field(default_factory=list)
    _open: list[tuple[Statement, Span]] = field(default_factory=list)  # open blocks, and their opening braces
    _into: list[Statement] = field(default_factory=list)  # the list to which the next statement goes
    _last: Statement | None = None  # the statement to which a brace on the next line belongs
    _words: list[Word] = field(default_factory=list)
    _parameters: Parameters = field(default_factory=Parameters)

    def __post_init__(self) -> None:
        self._into = self.top

    def read(self, source: Source, files: tuple[Path, ...], folder: Path) -> None:
        """Read a file. ``files``: the file and those that include it, resolved."""
        long = _LONG.search(source.text)
        if long is not None:
            start = Span(source, long.start(), long.start() + 1)
            raise broken(f"a line of more than {LINE} characters is none of keepalived.conf", start)
        at, line_begins = 0, True
        while at < len(source.text):
            include = _INCLUDE.match(source.text, at) if line_begins else None
            if include is not None:
                self._statement()
                pattern = Word(include.group(1), Span(source, include.start(1), include.end(1)))
                self._include(pattern, files, folder)
                at, line_begins = include.end(), False
                continue
            token = _TOKEN.match(source.text, at)
            if token is None:
                raise broken("this string is not closed", Span(source, at, at + 1), 'it ends with a `"` in its line')
            self._token(token, Span(source, token.start(), token.end()))
            at, line_begins = token.end(), token.group("end") is not None
        self._statement()

    def finished(self) -> list[Statement]:
        if self._open:
            statement, brace = self._open[-1]
            raise broken(f"the block `{statement.keyword}` is not closed", brace)
        return self.top

    def _token(self, token: re.Match[str], span: Span) -> None:
        if token.group("word") is not None or token.group("quoted") is not None:
            self._words.append(Word(token.group("word") or token.group("quoted") or "", span))
        elif token.group("end"):
            self._statement()
        elif token.group("brace") == "{":
            self._begin(span)
        elif token.group("brace"):
            self._end(span)

    def _statement(self) -> None:
        """End a line: its words are a statement, or they define a parameter."""
        words, self._words = self._words, []
        if not words:
            return
        if self._parameters.defines(words):
            self._last = None
            return
        # A line whose words all became nothing is no statement.
        if found := self._parameters.in_place(words):
            self._last = Statement(found)
            self._into.append(self._last)

    def _begin(self, brace: Span) -> None:
        self._statement()
        if self._last is None or self._last.block is not None:
            raise broken("this block has no name before it", brace)
        if len(self._open) >= _DEPTH:
            raise broken(f"blocks go more than {_DEPTH} deep", brace)
        self._last.block = self._into = []
        self._open.append((self._last, brace))
        self._last = None

    def _end(self, brace: Span) -> None:
        self._statement()
        if not self._open:
            raise broken("this `}` closes no block", brace)
        self._open.pop()[0].end = brace
        block = self._open[-1][0].block if self._open else self.top
        self._into = self.top if block is None else block
        self._last = None

    # -- includes -------------------------------------------------------------------------------------------------

    def _include(self, pattern: Word, files: tuple[Path, ...], folder: Path) -> None:
        try:
            found = sorted(matching(folder, pattern.text))
        except (OSError, ValueError) as error:
            raise _unreadable(f"cannot look for {pattern.text}: {error}", pattern.span) from None
        if not found:
            self.notes.append(Note(pattern.span, "no file matches"))
        for name in found:
            self._included(folder / name, pattern.span, files)

    def _included(self, path: Path, span: Span, files: tuple[Path, ...]) -> None:
        real = resolved(path)
        if real in files or len(files) > _INCLUDES:
            why = "files include each other" if real in files else f"includes go more than {_INCLUDES} deep"
            raise _unreadable(f"cannot read {path}: {why}", span)
        if not may_quote(real, ".conf"):
            hint = "name it on the command line, or let its name end in .conf"
            raise _unreadable(f"cannot read {path}: as root, import includes only files that end in .conf", span, hint)
        try:
            read = read_text(str(path), self.budget.read(str(path)))
        except Unreadable as error:
            raise _unreadable(f"cannot read {path}: {error}", span) from None
        if isinstance(read, Diagnostic):
            raise Broken([read])
        self.read(read, (*files, real), path.parent)


def _unreadable(message: str, span: Span, hint: str | None = None) -> Broken:
    return Broken([Diagnostic(Code.UNREADABLE, message, span, hint)])

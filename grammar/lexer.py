"""lark's contextual lexer, made faster for large files by leaving out what svcc does not use."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeAlias

from lark import Token
from lark.common import LexerConf
from lark.lexer import ContextualLexer, LexerState, PatternStr, TerminalDef
from lark.parsers.lalr_parser_state import ParserState

#: A terminal that the grammar declares without an expression.
ADDRESS_LINES = "ADDRESS_LINES"
#: How to find the next word in one state of the parser, and which names are keywords there.
_Finder: TypeAlias = tuple[Callable[[str, int], re.Match[str] | None], Mapping[str, str]]
#: A function of a lexer, a text and an offset. It may read items there by itself, and returns the offset behind them.
Skip: TypeAlias = Callable[["QuickLexer", str, int], int]


@dataclass(frozen=True, slots=True)
class Step:
    """The expressions that find a token of one kind exactly where the lexer would find it."""

    before: str  # what comes before the token; it excludes tokens of other kinds
    found: str  # the token itself; like the lexer, it is never cut short
    keywords: Mapping[str, str] | None  # for a name: the keywords, which are tokens of other kinds


class QuickLexer(ContextualLexer):
    """Yields the same tokens as lark's own lexer in half the time, except that an ``_END`` begins after its blanks.

    Tokens have no lines and columns (:class:`svcc.compiler.source.Source` counts them for the few that end up in a
    message), and blanks are skipped by the expression that finds the word after them. Where the expression finds
    nothing, lark's lexer takes over, so that the errors are lark's.
    """

    def __init__(
        self, conf: LexerConf, states: dict[Any, Collection[str]], always_accept: Collection[str] = ()
    ) -> None:
        conf.skip_validation = True  # a test builds the grammar with ``strict``, with which lark does check terminals
        super().__init__(conf, states, always_accept)
        self._in_pieces = self._pieces(conf, states)
        self._finders = _Finders(self.lexers, self._in_pieces)
        self._behind_items = frozenset(state for state, accepted in states.items() if _is_behind_items({*accepted}))

    def _pieces(self, conf: LexerConf, states: Mapping[Any, Collection[str]]) -> Mapping[Any, str]:
        """Return, by state, the expression for what is one token here, although lark's lexer finds it word by word."""
        return {}

    def _skip(self, text: str, at: int) -> int:
        """Return the offset at which this lexer goes on, behind an item and its end."""
        return at

    def step(self, state: Any, kind: str) -> Step:
        """Return how this lexer finds a token of a kind in a state of the parser."""
        terminals, keywords = _terminals(self.lexers[state], self._in_pieces.get(state))
        literal = next((word for word, name in keywords.items() if name == kind), None)
        wanted = kind if literal is None else "NAME"
        others = list(takewhile(lambda name: name != wanted, terminals))
        unless = f"(?!{'|'.join(terminals[name] for name in others)})" if others else ""
        return Step(
            rf"[ \t]*+{unless}{'' if literal is None else f'(?={literal})'}",
            terminals[wanted],
            keywords if wanted == "NAME" else None,
        )

    def lex(self, lexer_state: LexerState, parser_state: ParserState[Any]) -> Iterator[Token]:
        """Yield the tokens of a text, as the parser's state allows them. Errors: lark's, from the first place where the
        expressions here find nothing.
        """
        whole: Any = lexer_state.text
        text: str = getattr(whole, "text", whole)  # since lark 1.3, it is a slice of the text
        finders, states, behind_items = self._finders, parser_state.state_stack, self._behind_items
        at, token = 0, None
        while True:
            state = states[-1]
            if state in behind_items:
                at = self._skip(text, at)
            match, keywords = finders[state]
            found = match(text, at)
            if found is None:
                break
            kind = found.lastgroup or ""
            word = found[kind]
            at = found.end()
            token = quick_token(keywords[word] if kind == "NAME" and word in keywords else kind, word, at - len(word))
            yield token
        lexer_state.line_ctr.char_pos = at
        lexer_state.last_token = token
        yield from super().lex(lexer_state, parser_state)


class AddressLinesLexer(QuickLexer):
    """Yields consecutive endpoints that are addresses alone as one token: ``ADDRESS_LINES``."""

    def _pieces(self, conf: LexerConf, states: Mapping[Any, Collection[str]]) -> Mapping[Any, str]:
        address, bracketed, end = (
            conf.terminals_by_name[name].pattern.to_regexp() for name in ("ADDRESS", "BRACKETED", "_END")
        )
        lines = f"(?:(?:{address}|{bracketed}){end}|(?!).)++"
        return {state: lines for state, accepted in states.items() if ADDRESS_LINES in accepted}


class SkippingLexer(AddressLinesLexer):
    """A lexer that lets a function read whole items. The parser never sees their tokens."""

    def __init__(self, *conf: Any, skip: Skip, **more: Any) -> None:
        super().__init__(*conf, **more)
        self._ask = skip

    def _skip(self, text: str, at: int) -> int:
        return self._ask(self, text, at)


def _is_behind_items(accepted: Collection[str]) -> bool:
    """Whether the parser expects an item in this state, and not the end of a line, as at the beginning of a text."""
    return "SERVICE" in accepted and "LET" in accepted and "_END" not in accepted


def quick_token(kind: str, word: str, start: int) -> Token:
    """Return a token without line and column. lark's own constructor takes twice as long."""
    token = str.__new__(Token, word)
    token.type = kind
    token.value = word
    token.start_pos, token.end_pos = start, start + len(word)
    token.line = token.column = token.end_line = token.end_column = None
    return token


class _Finders(dict[Any, _Finder]):
    """Finders by the parser's state. Each is made at its first use, because a small file needs few of them."""

    def __init__(self, lexers: Mapping[Any, Any], pieces: Mapping[Any, str]) -> None:
        self._lexers, self._pieces = lexers, pieces
        self._made: dict[int, _Finder] = {}  # by lexer: states that accept the same words share it

    def __missing__(self, state: Any) -> _Finder:
        lexer = self._lexers[state]
        if id(lexer) not in self._made:
            self._made[id(lexer)] = _finder(lexer, self._pieces.get(state))
        self[state] = self._made[id(lexer)]
        return self[state]


def _finder(lexer: Any, piece: str | None) -> _Finder:
    """Return an expression whose named groups are the terminals, and the keywords with their terminals. ``piece``: see
    :func:`_terminals`.
    """
    terminals, keywords = _terminals(lexer, piece)
    groups = [f"(?P<{name}>{expression})" for name, expression in terminals.items()]
    return re.compile(rf"[ \t]*(?:{'|'.join(groups)})").match, keywords


def _terminals(lexer: Any, piece: str | None) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the expressions of the terminals by name, in the order in which they are tried, and the keywords with
    their terminals, which are found as names. ``piece``: the expression of a terminal that is tried before lark's own.
    """
    keywords = {_literal(t): t.name for t in lexer.terminals if _literal(t)[:1].isalpha()}
    expressions = {} if piece is None else {ADDRESS_LINES: piece}
    for terminal in lexer.terminals:
        if _literal(terminal) not in keywords and terminal.name not in lexer.ignore_types:
            expressions[terminal.name] = terminal.pattern.to_regexp()
    return expressions, keywords


def _literal(terminal: TerminalDef) -> str:
    """Return the text of a terminal that is a word or sign, or "" for one that is an expression."""
    return terminal.pattern.value if isinstance(terminal.pattern, PatternStr) else ""

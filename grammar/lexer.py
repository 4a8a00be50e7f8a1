"""lark's contextual lexer, made faster for large files by leaving out what svcc does not use."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeAlias

from lark import Token
from lark.common import LexerConf
from lark.lexer import ContextualLexer, LexerState, PatternStr, TerminalDef
from lark.parsers.lalr_parser_state import ParserState

#: A terminal that the grammar declares without an expression.
ADDRESS_LINES = "ADDRESS_LINES"
#: How to find the next word in one state of the parser, and which names are keywords there.
_Finder: TypeAlias = tuple[Callable[[str, int], re.Match[str] | None], Mapping[str, str]]


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
        self._finders = _Finders(self.lexers, self._pieces(conf, states))

    def _pieces(self, conf: LexerConf, states: Mapping[Any, Collection[str]]) -> Mapping[Any, str]:
        """Return, by state, the expression for what is one token here, although lark's lexer finds it word by word."""
        return {}

    def lex(self, lexer_state: LexerState, parser_state: ParserState[Any]) -> Iterator[Token]:
        """Yield the tokens of a text, as the parser's state allows them. Errors: lark's, from the first place where the
        expressions here find nothing.
        """
        whole: Any = lexer_state.text
        text: str = getattr(whole, "text", whole)  # since lark 1.3, it is a slice of the text
        new, finders, states = str.__new__, self._finders, parser_state.state_stack
        at, token = 0, None
        while True:
            match, keywords = finders[states[-1]]
            found = match(text, at)
            if found is None:
                break
            kind = found.lastgroup or ""
            word = found[kind]
            at = found.end()
            token = new(Token, word)  # the token's own constructor takes twice as long
            token.type = keywords[word] if kind == "NAME" and word in keywords else kind
            token.value = word
            token.start_pos, token.end_pos = at - len(word), at
            token.line = token.column = token.end_line = token.end_column = None
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
        lines = f"(?P<{ADDRESS_LINES}>(?:(?:{address}|{bracketed}){end})++)"
        return {state: lines for state, accepted in states.items() if ADDRESS_LINES in accepted}


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


def _finder(lexer: Any, first: str | None) -> _Finder:
    """Return an expression whose named groups are the terminals (in lark's order), and the keywords with their
    terminals.

    ``first``: a named group that comes before them.
    """
    keywords = {_literal(t): t.name for t in lexer.terminals if _literal(t)[:1].isalpha()}
    groups = [
        f"(?P<{t.name}>{t.pattern.to_regexp()})"
        for t in lexer.terminals
        if _literal(t) not in keywords and t.name not in lexer.ignore_types
    ]
    return re.compile(rf"[ \t]*(?:{'|'.join([first, *groups] if first else groups)})").match, keywords


def _literal(terminal: TerminalDef) -> str:
    """Return the text of a terminal that is a word or sign, or "" for one that is an expression."""
    return terminal.pattern.value if isinstance(terminal.pattern, PatternStr) else ""

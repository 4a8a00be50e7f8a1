"""The svcc language: its grammar and the parser made from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from importlib.resources import files
from threading import Lock
from typing import Any

import lark.lexer
from lark import Lark, Token, Transformer
from lark.lark import PostLex

from svcc.grammar.kept import kept_parser
from svcc.grammar.lexer import QuickLexer, Skip, SkippingLexer


def grammar_text() -> str:
    """Return the grammar, in lark's notation. It is the reference of the language."""
    return files(__name__).joinpath("svcc.lark").read_text(encoding="utf-8")


class _AnyWord(PostLex):
    """Lets the lexer read a word that nothing expects as one word, so that an error can name all of it."""

    always_accept = ("NAME", "OTHER")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


#: lark makes its parsers with tables of its own, which it fills once.
_MAKING = Lock()


def parser(
    transformer: Transformer[Token, object] | None = None, *, every_token: bool = False, skip: Skip | None = None
) -> Lark:
    """Return a LALR(1) parser. ``transformer`` is applied while the parser runs, so that no tree is built.

    ``every_token``: signs and the ends of statements are in the tree, too. ``skip``: leaves out items that the caller
    reads itself; then consecutive endpoints that are only addresses are one token.
    """
    lexer = QuickLexer if skip is None else partial(SkippingLexer, skip=skip)
    options: dict[str, Any] = {"transformer": transformer, "_plugins": {"ContextualLexer": lexer}}
    kept = None if every_token else kept_parser(grammar_text(), postlex=_AnyWord(), **options)
    return kept or made_parser(keep_all_tokens=every_token, **options)


def made_parser(*, strict: bool = False, **options: Any) -> Lark:
    """Return a parser that lark makes from the grammar. ``options``: those of :class:`lark.Lark`.

    ``strict`` refuses a grammar with any conflict or terminals that collide (it needs ``interegular``).
    """
    with _MAKING, nullcontext() if strict else _terminals_uncompared():
        return Lark(
            grammar_text(),
            parser="lalr",
            lexer="contextual",
            postlex=_AnyWord(),
            strict=strict,
            maybe_placeholders=False,
            **options,
        )


@contextmanager
def _terminals_uncompared() -> Iterator[None]:
    """Keep lark from comparing all terminals with each other, its own notation's as well. It does that wherever
    ``interegular`` can be imported, and it takes a third of the time that a small program needs, to warn of what
    ``strict`` refuses.
    """
    found: bool = lark.lexer.has_interegular
    lark.lexer.has_interegular = False
    try:
        yield
    finally:
        lark.lexer.has_interegular = found

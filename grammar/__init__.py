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
    """The grammar, in lark's notation: the reference of the language."""
    return files(__name__).joinpath("svcc.lark").read_text(encoding="utf-8")


class _AnyWord(PostLex):
    """Let the lexer see a word that nothing expects here as a word, so that an error can name it whole."""

    always_accept = ("NAME", "OTHER")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


#: lark makes its parsers with tables of its own that are filled once.
_MAKING = Lock()


def parser(
    transformer: Transformer[Token, object] | None = None, *, every_token: bool = False, skip: Skip | None = None
) -> Lark:
    """A LALR(1) parser; ``transformer`` is applied while it parses, so that no tree is built.

    ``every_token`` keeps the signs, and the ends of statements, in the tree.
    ``skip``: leaves out items that somebody else reads. Then endpoints that are addresses alone are one token, as many
    as follow one another.
    """
    lexer = QuickLexer if skip is None else partial(SkippingLexer, skip=skip)
    options: dict[str, Any] = {"transformer": transformer, "_plugins": {"ContextualLexer": lexer}}
    kept = None if every_token else kept_parser(grammar_text(), postlex=_AnyWord(), **options)
    return kept or made_parser(keep_all_tokens=every_token, **options)


def made_parser(*, strict: bool = False, **options: Any) -> Lark:
    """A parser that lark makes of the grammar; ``options``: :class:`lark.Lark`'s own.

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
    """Wherever ``interegular`` can be imported lark compares all terminals with each other, its own notation's as well:
    a third of the time that a small program takes, to warn of what ``strict`` refuses.
    """
    found: bool = lark.lexer.has_interegular
    lark.lexer.has_interegular = False
    try:
        yield
    finally:
        lark.lexer.has_interegular = found

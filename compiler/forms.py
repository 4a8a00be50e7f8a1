"""Reads services that look like one that was read before, each by a single regular expression.

A large program is made of services that differ only in names, addresses and numbers. The parser reads the first of them
token by token. Then a *form* is made of one service: an expression that matches exactly where lexer and parser would
find tokens of the same kinds in the same order, and a function that builds the same syntax from other tokens. A form
comes from the lexer's own expressions and the parser's states, so only the grammar says what a service is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Any, TypeAlias

from lark import Lark, UnexpectedInput

from svcc.compiler import syntax
from svcc.compiler.syntax import Word
from svcc.grammar.lexer import QuickLexer, Step, quick_token

#: The most words that a service with a form has.
_WORDS = 80

#: Builds a part of a service's syntax from the words of the service.
_Maker: TypeAlias = Callable[[Sequence[Word]], Any]


@dataclass(frozen=True, slots=True)
class Form:
    """Reads services whose words are of the same kinds in the same order. Each word is a group of the expression."""

    match: Callable[[str, int], re.Match[str] | None]
    #: Words that are found by the pattern of names: group, kind, and the keywords that are possible there.
    names: tuple[tuple[int, str, Mapping[str, str]], ...]
    words: tuple[tuple[int, str], ...]  # words that the syntax keeps: group and kind
    make: _Maker

    def read(self, text: str, at: int) -> tuple[syntax.Item, int] | None:
        """Return the service at an offset, and the offset behind it. Return None where the text has another form."""
        found = self.match(text, at)
        if found is None:
            return None
        for group, kind, keywords in self.names:
            if keywords.get(found[group], "NAME") != kind:
                return None
        words = [quick_token(kind, found[group], found.start(group)) for group, kind in self.words]
        return self.make(words), found.end()


@dataclass(slots=True)
class _Known:
    form: Form
    uses: int = 0  # since rarely used forms were last given up


class Forms:
    """The forms of services that one parser has met.

    ``every``: after so many services without a form, forms that were hardly used are given up, and a form is made of
    the next service. That takes as long as reading 100 services token by token. ``most``: the most forms that are made
    for one text.
    """

    def __init__(self, every: int = 50, most: int = 4) -> None:
        self._known: list[_Known] = []
        self._every, self._most = every, most
        self.begin()

    def begin(self) -> None:
        """Begin with another text."""
        self._unfamiliar, self._left = 0, self._most

    def read(self, text: str, at: int) -> tuple[syntax.Item, int] | None:
        """Read the service at an offset with the first form that matches, as :meth:`Form.read` does."""
        for place, known in enumerate(self._known):
            if (found := known.form.read(text, at)) is not None:
                known.uses += 1
                if place:  # the form that matched last is tried first
                    self._known.insert(0, self._known.pop(place))
                return found
        return None

    def wants_form_of(self, text: str, at: int) -> bool:
        """Whether to make a form of the text at an offset, which no known form matches."""
        if not text.startswith("service", at):
            return False
        self._unfamiliar += 1
        if self._unfamiliar % self._every:
            return False
        self._known = [_Known(known.form) for known in self._known if known.uses * 10 >= self._every]
        self._left -= 1
        return self._left >= 0

    def add(self, form: Form) -> None:
        """Add a form, which is tried first."""
        self._known.insert(0, _Known(form))


def form_of(text: str, lark: Lark, lexer: QuickLexer, items: Sequence[syntax.Item]) -> Form | None:
    """Make a form of the item with which a text begins. Return None where the item is wrong or too long.

    ``items``: the list to which the parser adds what it has read; it is empty before.
    """
    steps: list[tuple[Word, Step]] = []
    parsing = lark.parse_interactive(text)
    state = parsing.parser_state
    try:
        for token in parsing.lexer_thread.lex(state):  # type: ignore[no-untyped-call]
            steps.append((token, lexer.step(state.position, token.type)))
            state.feed_token(token)
            if items or len(steps) > _WORDS:
                break
    except UnexpectedInput:
        return None
    return _form(steps, items[0]) if items else None


def _form(steps: Sequence[tuple[Word, Step]], item: syntax.Item) -> Form | None:
    """Make a form of an item from its words. Return None where its syntax has other words, such as unquoted names."""
    places = {id(word): place for place, (word, _) in enumerate(steps)}
    used = [id(word) for word in _words(item)]
    if not places.keys() >= {*used}:
        return None
    found = (f"{step.before}(?P<w{place}>(?>{step.found}))" for place, (_, step) in enumerate(steps))
    expression = re.compile("".join(found))
    groups = [expression.groupindex[f"w{place}"] for place in range(len(steps))]
    all = zip(groups, steps, strict=True)
    return Form(
        expression.match,
        tuple((group, word.type, step.keywords) for group, (word, step) in all if step.keywords is not None),
        tuple((groups[places[one]], steps[places[one]][0].type) for one in used),
        _maker(item, {one: number for number, one in enumerate(used)}),
    )


def _words(part: object) -> Iterator[Word]:
    """Yield the words in a part of the syntax."""
    if isinstance(part, Word):
        yield part
    elif part is not None:
        for inner in _parts(part):
            yield from _words(inner)


def _maker(part: object, numbers: Mapping[int, int]) -> _Maker:
    """Return a function that builds a part of the syntax from other words. ``numbers``: the place of each word."""
    if isinstance(part, Word):
        return itemgetter(numbers[id(part)])
    if part is None:
        return lambda _: None
    makers = [_maker(inner, numbers) for inner in _parts(part)]
    if isinstance(part, tuple):
        return lambda words: tuple([make(words) for make in makers])
    kind = type(part)
    return lambda words: kind(*[make(words) for make in makers])


def _parts(part: Any) -> Sequence[object]:
    return part if isinstance(part, tuple) else [getattr(part, field.name) for field in fields(part)]

"""Services of one form: large programs are made of services that differ in names, addresses and numbers alone.

The first of them are read word by word. Then a form is made of one: an expression that fits where lexer and parser
would find the same kinds of words, one after the other, and what makes the same syntax of other words. What a service
is, the grammar says alone.
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

#: Words of a form at most.
_WORDS = 80

#: Makes a part of a service's syntax of its words.
_Maker: TypeAlias = Callable[[Sequence[Word]], Any]


@dataclass(frozen=True, slots=True)
class Form:
    """How services with the same kinds of words are read. Words are groups of the expression, by their numbers."""

    match: Callable[[str, int], re.Match[str] | None]
    names: tuple[tuple[int, str, Mapping[str, str]], ...]  # those found as names: the kind, and keywords among them
    words: tuple[tuple[int, str], ...]  # those of the syntax, with their kinds
    make: _Maker

    def read(self, text: str, at: int) -> tuple[syntax.Item, int] | None:
        """The service at an offset, and the offset behind its end; None: what is there has another form."""
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
    uses: int = 0  # since forms were looked through the last time


class Forms:
    """The forms of services that one parser has met.

    ``every``: after so many services that have none, forms that were of little use are given up, and one is made of the
    next; to make it takes as long as to read 100 of them. ``most``: so many are made for a text.
    """

    def __init__(self, every: int = 50, most: int = 4) -> None:
        self._known: list[_Known] = []
        self._every, self._most = every, most
        self.begin()

    def begin(self) -> None:
        """From here on it is another text."""
        self._unfamiliar, self._left = 0, self._most

    def read(self, text: str, at: int) -> tuple[syntax.Item, int] | None:
        """See :meth:`Form.read`."""
        for place, known in enumerate(self._known):
            if (found := known.form.read(text, at)) is not None:
                known.uses += 1
                if place:  # the one that was of use last is tried first
                    self._known.insert(0, self._known.pop(place))
                return found
        return None

    def wanted(self, text: str, at: int) -> bool:
        """Whether a form is to be made of what stands at an offset and has none that is known."""
        if not text.startswith("service", at):
            return False
        self._unfamiliar += 1
        if self._unfamiliar % self._every:
            return False
        self._known = [_Known(known.form) for known in self._known if known.uses * 10 >= self._every]
        self._left -= 1
        return self._left >= 0

    def add(self, form: Form) -> None:
        """Take in a form, which is tried first."""
        self._known.insert(0, _Known(form))


def form_of(text: str, lark: Lark, lexer: QuickLexer, items: Sequence[syntax.Item]) -> Form | None:
    """The form of the item that a text begins with; None: it is not worth one, or wrong.

    ``items``: where the parser puts what it has read, empty until then.
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
    """The form of an item that was read of these words; None: its syntax has others, such as names without quotes."""
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
    """The words in a part of the syntax."""
    if isinstance(part, Word):
        yield part
    elif part is not None:
        for inner in _parts(part):
            yield from _words(inner)


def _maker(part: object, numbers: Mapping[int, int]) -> _Maker:
    """What makes the like of a part of the syntax. ``numbers``: which words the part has, by their identity."""
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

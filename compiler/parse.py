"""Turns text into syntax. One run finds every syntax error of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from threading import local

from lark import Lark, Token, Transformer, Tree, UnexpectedInput, v_args

from svcc.compiler import syntax
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.forms import Form, Forms, form_of
from svcc.compiler.source import Source, Span
from svcc.grammar import parser
from svcc.grammar.lexer import QuickLexer

#: The most errors of one file that are shown, and the most that are counted.
MAX_ERRORS = 25
_COUNTED = 250


class _ToSyntax(Transformer[Token, object]):
    """Turns the parser's rules into syntax while it runs.

    Parts of several kinds are passed as arguments. Where all parts are of one kind, they are passed as a list, which is
    quicker.
    """

    def __init__(self) -> None:
        super().__init__()
        self.items: list[syntax.Item] = []  # the items read so far

    def _item(self, items: list[syntax.Item]) -> Tree[syntax.Item]:
        self.items += items
        return Tree("_item", [*items])  # what the parser itself makes of a rule whose name begins with "_"

    def setting(self, words: list[Token]) -> syntax.Setting:
        return syntax.Setting(words[0], tuple(words[1:]))

    version = include = cluster_setting = registered = setting

    def named_setting(self, words: list[Token]) -> syntax.Setting:
        return syntax.Setting(words[0], tuple(map(_unquoted, words[1:])))

    node_setting = service_setting = balancer_setting = named_setting

    def let(self, words: list[Token]) -> syntax.Let:
        return syntax.Let(words[0], words[1], tuple(w for w in words[2:] if w.type in ("ADDRESS", "VARIABLE")))

    @v_args(inline=True)
    def port(self, keyword: Token, *parts: Token | tuple[str, Token]) -> syntax.PortStatement:
        options = dict(part for part in parts if isinstance(part, tuple))
        (spec,) = (part for part in parts if not isinstance(part, tuple))
        return syntax.PortStatement(keyword, spec, **options)

    def port_name(self, words: list[Token]) -> tuple[str, Token]:
        return "name", _unquoted(words[0])

    def port_target(self, words: list[Token]) -> tuple[str, Token]:
        return "target", words[-1]

    def port_nodeport(self, words: list[Token]) -> tuple[str, Token]:
        return "nodeport", words[-1]

    def endpoint(self, words: list[Token]) -> syntax.EndpointLine:
        if len(words) == 1:
            return syntax.EndpointLine(words[0])
        return syntax.EndpointLine(words[0], tuple(map(_unquoted, words[1:])))

    def pools(self, words: list[Token]) -> list[Token]:
        return list(map(_unquoted, words))

    @v_args(inline=True)
    def endpoints(self, keyword: Token, *parts: list[Token] | Token | syntax.EndpointLine) -> syntax.EndpointsStatement:
        pools = [name for names in parts if isinstance(names, list) for name in names]
        return syntax.EndpointsStatement(keyword, tuple(pools), _lines(parts))

    @v_args(inline=True)
    def pool(self, keyword: Token, name: Token, *parts: syntax.Setting | Token | syntax.EndpointLine) -> syntax.Pool:
        registered = tuple(part for part in parts if isinstance(part, syntax.Setting))
        return syntax.Pool(keyword, _unquoted(name), _lines(parts), registered)

    @v_args(inline=True)
    def named_block(self, keyword: Token, name: Token, *statements: syntax.Statement) -> syntax.Block:
        return syntax.Block(keyword, _unquoted(name), statements)

    node = service = balancer = named_block

    @v_args(inline=True)
    def block(self, keyword: Token, *statements: syntax.Statement) -> syntax.Block:
        return syntax.Block(keyword, None, statements)

    cluster = defaults = block


def _unquoted(word: Token) -> Token:
    """Return a name without its quotes; its place still includes them."""
    return word.update(value=word[1:-1]) if word.type == "STRING" else word


def _lines(parts: Iterable[object]) -> tuple[syntax.EndpointLine | syntax.AddressLines, ...]:
    """Return the endpoints among the parts, in the order of the text. One token may hold many."""
    found: list[syntax.EndpointLine | syntax.AddressLines] = []
    for part in parts:
        if isinstance(part, Token):
            found.append(syntax.AddressLines(part))
        elif isinstance(part, syntax.EndpointLine):
            found.append(part)
    return tuple(found)


class Parser:
    """Reads files, for one thread at a time. It keeps the forms of services that it met."""

    def __init__(self, forms: Forms) -> None:
        self._transformer = _ToSyntax()
        self._lark: Lark = parser(self._transformer, skip=self._skip)
        self._forms: Forms | None = forms  # None while a form is being made

    def parse(self, source: Source) -> tuple[syntax.File | None, list[Diagnostic]]:
        """Do what :func:`parse` does."""
        transformer = self._transformer
        if self._forms is not None:
            self._forms.begin()
        items: list[syntax.Item] = []
        text = source.text if source.text.endswith("\n") else source.text + "\n"
        diagnostics: list[Diagnostic] = []
        count = 0
        while count < _COUNTED:
            transformer.items = []
            try:
                self._lark.parse(text)
            except UnexpectedInput as error:
                from svcc.compiler.foreign_files import foreign_file  # needed only for programs with errors
                from svcc.compiler.statement_places import brace_below, statement_at
                from svcc.compiler.syntax_error import explain

                count += 1
                begin = _last_start(transformer.items)
                if count == 1 and (foreign := foreign_file(source)) is not None:
                    return None, [foreign]
                if count <= MAX_ERRORS + 1:
                    found = explain(error, source, text, begin)
                    if found.code is not Code.UNCLOSED or not any(d.related for d in diagnostics):
                        diagnostics.append(found)
                if (brace := brace_below(error, text)) is not None:
                    at = _offset(error, text)
                    items += transformer.items[:-1]
                    text = " " * begin + text[begin:at] + " " * (brace - at) + text[brace:]
                    continue
                start, end = statement_at(text, _offset(error, text), begin)
                if not text[start:end].strip():
                    return None, _shown(diagnostics, count)
                if begin <= start:
                    items += transformer.items[:-1]
                else:
                    begin = 0
                text = " " * begin + text[begin:start] + _blank(text[start:end]) + text[end:]
            else:
                items += transformer.items
                transformer.items = []
                if count > MAX_ERRORS:
                    break
                return syntax.File(source, tuple(items), recovered=bool(diagnostics)), diagnostics
        return None, _shown(diagnostics, count)

    def _skip(self, lexer: QuickLexer, text: str, at: int) -> int:
        """Read services of known forms from an offset on, and return the offset behind them."""
        forms, items = self._forms, self._transformer.items
        if forms is None:
            return at
        while True:
            while (found := forms.read(text, at)) is not None:
                item, at = found
                items.append(item)
            if not forms.wants_form_of(text, at) or (form := self._form(lexer, text[at:])) is None:
                return at
            forms.add(form)

    def _form(self, lexer: QuickLexer, text: str) -> Form | None:
        """Make a form of the service with which a text begins. Return None where that is not worth it."""
        forms, items = self._forms, self._transformer.items
        self._forms, self._transformer.items = None, []
        try:
            return form_of(text, self._lark, lexer, self._transformer.items)
        finally:
            self._forms, self._transformer.items = forms, items


class _Parsers(local):
    """One parser for each thread."""

    def __init__(self) -> None:
        self.parser = Parser(Forms())


@cache
def _parsers() -> _Parsers:
    return _Parsers()


def parse(source: Source) -> tuple[syntax.File | None, list[Diagnostic]]:
    """Return the file's syntax, and a diagnostic for each statement that is wrong.

    A statement with an error is left out, and the text around it is read again, so that each statement is judged by
    itself. The syntax is None where nothing can be read (a block without end, too many errors, another language).
    """
    file, diagnostics = _parsers().parser.parse(source)
    return file, diagnostics if source.text.isascii() else [*diagnostics, *_of_direction(source, diagnostics)]


def _of_direction(source: Source, known: list[Diagnostic]) -> Iterator[Diagnostic]:
    """Yield an error for controls of direction, also in comments and strings, where nothing else looks at them."""
    from svcc.compiler.characters import DIRECTION, named  # few texts are more than ASCII

    spans = [found.span for found in known if found.span is not None]
    for found in islice(DIRECTION.finditer(source.text), MAX_ERRORS):
        if not any(span.start <= found.start() < span.end for span in spans):
            message = f"{named(found.group())} makes a line look other than it is"
            hint = "remove it: a program is shown to people in the order in which svcc reads it"
            yield Diagnostic(Code.SYNTAX, message, Span(source, *found.span()), hint)


def _shown(diagnostics: list[Diagnostic], count: int) -> list[Diagnostic]:
    """Return the first errors, and a diagnostic that says how many more there are."""
    more = count - MAX_ERRORS
    if more <= 0:
        return diagnostics
    message = f"{'at least ' * (count == _COUNTED)}{more} more syntax error{'s' * (more > 1)} from here on"
    rest = Diagnostic(Code.SYNTAX, message, diagnostics[-1].span, "mend those above first")
    return [*diagnostics[:MAX_ERRORS], rest]


def _last_start(items: list[syntax.Item]) -> int:
    """Return where the last item begins. The parser was between items there, so it can start there again."""
    return (items[-1].keyword.start_pos or 0) if items else 0


def _offset(error: UnexpectedInput, text: str) -> int:
    position = error.pos_in_stream
    return len(text) if position is None else position


def _blank(text: str) -> str:
    """Return spaces in place of all characters but line ends, so that all other places stay the same."""
    return "".join(c if c == "\n" else " " for c in text)

"""Text to syntax. Every syntax error of a file is found in one run."""

from __future__ import annotations

from functools import cache
from threading import local
from typing import Any

from lark import Lark, Token, Transformer, Tree, UnexpectedInput

from svcc.compiler import syntax
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.source import Source
from svcc.grammar import parser
from svcc.grammar.lexer import ADDRESS_LINES

#: As many errors of one file are shown, and as many counted.
MAX_ERRORS = 25
_COUNTED = 250


class _ToSyntax(Transformer[Token, Any]):
    """Reduces the grammar's rules to syntax while the parser runs."""

    def __init__(self) -> None:
        super().__init__()
        self.items: list[syntax.Item] = []  # those read so far

    def _item(self, items: list[Any]) -> Tree[Any]:
        self.items += items
        return Tree("_item", items)  # what the parser itself makes of a rule whose name begins with "_"

    def setting(self, words: list[Token]) -> syntax.Setting:
        return syntax.Setting(words[0], tuple(words[1:]))

    version = include = cluster_setting = registered = setting

    def named_setting(self, words: list[Token]) -> syntax.Setting:
        return syntax.Setting(words[0], tuple(map(_unquoted, words[1:])))

    node_setting = service_setting = balancer_setting = named_setting

    def let(self, words: list[Token]) -> syntax.Let:
        return syntax.Let(words[0], words[1], tuple(w for w in words[2:] if w.type in ("ADDRESS", "VARIABLE")))

    def port(self, children: list[Any]) -> syntax.PortStatement:
        options: dict[str, Token] = {}
        spec = children[1]
        for child in children[1:]:
            if isinstance(child, tuple):
                options[child[0]] = child[1]
            else:
                spec = child
        return syntax.PortStatement(children[0], spec, **options)

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

    def endpoints(self, children: list[Any]) -> syntax.EndpointsStatement:
        pools: list[Token] = children[1] if len(children) > 1 and isinstance(children[1], list) else []
        lines = children[2:] if pools else children[1:]
        return syntax.EndpointsStatement(children[0], tuple(pools), _lines(lines))

    def pool(self, children: list[Any]) -> syntax.Pool:
        registered = tuple(child for child in children if isinstance(child, syntax.Setting))
        return syntax.Pool(children[0], _unquoted(children[1]), _lines(children[2:]), registered)

    def named_block(self, children: list[Any]) -> syntax.Block:
        return syntax.Block(children[0], _unquoted(children[1]), _statements(children[2:]))

    node = service = balancer = named_block

    def block(self, children: list[Any]) -> syntax.Block:
        return syntax.Block(children[0], None, _statements(children[1:]))

    cluster = defaults = block


def _unquoted(word: Token) -> Token:
    """A name without its quotes, which its place still has."""
    return word.update(value=word[1:-1]) if word.type == "STRING" else word


def _lines(children: list[Any]) -> tuple[syntax.EndpointLine | syntax.AddressLines, ...]:
    return tuple(
        syntax.AddressLines(child) if isinstance(child, Token) else child
        for child in children
        if isinstance(child, syntax.EndpointLine) or getattr(child, "type", None) == ADDRESS_LINES
    )


def _statements(children: list[Any]) -> tuple[Any, ...]:
    return tuple(child for child in children if not isinstance(child, Token))


class _Parsers(local):
    """Each thread's own parser: its transformer holds what is being read."""

    def __init__(self) -> None:
        self.transformer = _ToSyntax()
        self.lark: Lark = parser(self.transformer, address_lines=True)


@cache
def _parsers() -> _Parsers:
    return _Parsers()


def parse(source: Source) -> tuple[syntax.File | None, list[Diagnostic]]:
    """The file's syntax, and a diagnostic for each statement that is none.

    A statement with an error is left out and what is around and after it is read again, so that each statement is
    judged by itself. None where no reading is left (a block without end, too many errors, another language).
    """
    mine = _parsers()
    lark, transformer = mine.lark, mine.transformer
    items: list[syntax.Item] = []
    text = source.text if source.text.endswith("\n") else source.text + "\n"
    diagnostics: list[Diagnostic] = []
    count = 0
    while count < _COUNTED:
        transformer.items = []
        try:
            lark.parse(text)
        except UnexpectedInput as error:
            from svcc.compiler.foreign_files import foreign_file  # wrong programs alone need these two
            from svcc.compiler.syntax_error import explain, statement_at

            count += 1
            begin = _last_start(transformer.items)
            if count == 1 and (foreign := foreign_file(source)) is not None:
                return None, [foreign]
            if count <= MAX_ERRORS + 1:
                found = explain(error, source, text, begin)
                if found.code is not Code.UNCLOSED or not any(d.related for d in diagnostics):  # it has been told
                    diagnostics.append(found)
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


def _shown(diagnostics: list[Diagnostic], count: int) -> list[Diagnostic]:
    """The first errors, and how many more there are."""
    more = count - MAX_ERRORS
    if more <= 0:
        return diagnostics
    message = f"{'at least ' * (count == _COUNTED)}{more} more syntax error{'s' * (more > 1)} from here on"
    rest = Diagnostic(Code.SYNTAX, message, diagnostics[-1].span, "mend those above first")
    return [*diagnostics[:MAX_ERRORS], rest]


def _last_start(items: list[syntax.Item]) -> int:
    """Where the last item begins: there the parser has been between items, so that it can begin there again."""
    return (items[-1].keyword.start_pos or 0) if items else 0


def _offset(error: UnexpectedInput, text: str) -> int:
    position = error.pos_in_stream
    return len(text) if position is None else position


def _blank(text: str) -> str:
    """Spaces in place of all but line ends, so that every other place stays where it is."""
    return "".join(c if c == "\n" else " " for c in text)

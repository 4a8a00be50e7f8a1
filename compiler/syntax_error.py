"""What to say about text that is not a statement of the language, and where that statement begins and ends."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lark import Token, UnexpectedInput, UnexpectedToken

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.source import Source, Span
from svcc.compiler.suggest import did_you_mean, one_of

#: Keywords by the block in which they begin a statement ("" is the file itself).
STATEMENTS = {
    "": ("svcc", "include", "let", "cluster", "node", "defaults", "endpoints", "service"),
    "cluster": ("prefix", "pods", "nodeports", "nodeport-addresses", "vip-device", "mark"),
    "node": ("address", "zone"),
    "service": (
        "vip",
        "external-ip",
        "announce",
        "allow-from",
        "port",
        "scheduler",
        "affinity",
        "traffic",
        "masquerade",
        "forward",
        "when-empty",
        "endpoints",
    ),
}

#: How the parser's terminals are called in messages. Keywords are not here: they are called by themselves.
_FORMS = {
    "ADDRESS": "an address",
    "BRACKETED": "an address",
    "VARIABLE": "a `$name`",
    "NAME": "a name",
    "STRING": 'a "string"',
    "NUMBER": "a number",
    "PORTS": "a port",
    "PORT_SPEC": "PORT/PROTOCOL",
    "DURATION": "a time such as 3h",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "EQUAL": "`=`",
    "_COMMA": "`,`",
    "_END": "the end of the statement",
    "__ANON_0": "`->`",
}
_NOT_SAID = {"$END", "OTHER"}
_MARKS = re.compile(r'"[^"\n]*"|#[^\n]*|[{}\[\];\n]')


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an offset lies: its statement's start, and the offsets of the blocks' statements around it."""

    start: int
    blocks: tuple[tuple[int, int], ...]  # (start of the statement that opens the block, offset of its "{")

    def keyword(self, text: str) -> str:
        """The keyword of the innermost block, "" at the top of the file."""
        if not self.blocks:
            return ""
        words = text[slice(*self.blocks[-1])].split()
        return words[0] if words else ""


def _place(text: str, offset: int) -> _Place:
    start, listing = 0, 0
    blocks: list[tuple[int, int]] = []
    for mark in _MARKS.finditer(text, 0, offset):
        sign = mark.group()
        if sign in "[]":
            listing = max(0, listing + (1 if sign == "[" else -1))
        elif sign == "{":
            blocks.append((start, mark.start()))
            start, listing = mark.end(), 0
        elif sign == "}":
            if blocks:
                blocks.pop()
            start = mark.end()
        elif sign == ";" or (sign == "\n" and not listing):
            start = mark.end()
    return _Place(start + _leading(text, start, offset), tuple(blocks))


def _leading(text: str, start: int, offset: int) -> int:
    return len(text[start:offset]) - len(text[start:offset].lstrip())


def statement_at(text: str, offset: int) -> tuple[int, int]:
    """Start and end of the statement around an offset, with the whole block that it opens.

    Empty (start = end) where the block that it opens, or is in, never ends.
    """
    place = _place(text, offset)
    depth = listing = 0
    for mark in _MARKS.finditer(text, place.start):
        sign = mark.group()
        if sign == "{":
            depth, listing = depth + 1, 0
        elif sign == "}":
            if mark.start() < offset:
                continue
            if depth <= 1:
                alone = place.start == mark.start()
                return place.start, mark.end() if depth or alone else mark.start()
            depth -= 1
        elif sign in "[]":
            listing = max(0, listing + (1 if sign == "[" else -1))
        elif sign in ";\n" and not depth and not listing and mark.start() >= offset:
            return place.start, mark.start()
    return offset, offset


def explain(error: UnexpectedInput, source: Source, text: str) -> Diagnostic:
    """The diagnostic for one syntax error of lark's."""
    if not isinstance(error, UnexpectedToken):
        return _bad_character(error.pos_in_stream or 0, source, text)
    token: Token = error.token
    if token.type == "$END":
        return _unclosed(source, text)
    start, end = token.start_pos or 0, token.end_pos or 0
    place = _place(text, start)
    expected = set(error.accepts or error.expected)
    if token.type == "_END":
        start = len(text[:start].rstrip(" \t"))
        hint = "`{` stands on the line of the block's name" if "LBRACE" in expected else None
        return _unexpected(Span(source, start, start + 1), "the statement ends", expected, hint)
    span = Span(source, start, end)
    block = place.keyword(text)
    known = sorted(_keywords(expected))
    if start == place.start and token.type in ("NAME", "OTHER") and known:
        return _unknown_statement(str(token), span, block)
    if token.type == "NAME" and known and not expected & {"NAME"}:
        hint = did_you_mean(str(token), known) or f"here can stand {one_of([f'`{k}`' for k in known])}"
        return Diagnostic(Code.UNKNOWN_STATEMENT, f"`{token}` is not an option of this statement", span, hint)
    return _unexpected(span, f"found `{token}`", expected, _form_hint(token, expected))


def _keywords(expected: set[str]) -> set[str]:
    """The keywords among expected terminals, as they are written."""
    written = {word.upper().replace("-", "_"): word for words in STATEMENTS.values() for word in words}
    written |= {
        "ADDRESSES": "address",
        "WEIGHT": "weight",
        "DRAINING": "draining",
        "ON": "on",
        "NODEPORT": "nodeport",
        "SHARED": "shared",
    }
    del written["ADDRESS"]
    return {written[terminal] for terminal in expected if terminal in written}


def _unknown_statement(word: str, span: Span, block: str) -> Diagnostic:
    known = STATEMENTS.get("service" if block == "defaults" else block, ())
    where = f"`{block}`" if block else "a file"
    home = [name for name, words in STATEMENTS.items() if word in words]
    hint = did_you_mean(word, known)
    if home:
        hint = f"it belongs {one_of([f'in `{name}`' if name else 'at the top of a file' for name in home])}"
    elif hint is None:
        hint = f"in {where} can stand {one_of([f'`{k}`' for k in known])}" if known else None
    return Diagnostic(Code.UNKNOWN_STATEMENT, f"no statement `{word}` in {where}", span, hint)


def _unexpected(span: Span, found: str, expected: set[str], hint: str | None = None) -> Diagnostic:
    left_out = _NOT_SAID | {"STRING"} if "NAME" in expected else _NOT_SAID
    forms = {_FORMS[t] for t in expected - left_out if t in _FORMS}
    said = sorted(forms - {"the end of the statement"}) + sorted(f"`{k}`" for k in _keywords(expected))
    if not said or ("_END" in expected and found != "the statement ends"):
        said.append("the end of the statement")
    return Diagnostic(Code.SYNTAX, f"expected {one_of(said)}, but {found}", span, hint)


def _form_hint(token: Token, expected: set[str]) -> str | None:
    if "PORT_SPEC" in expected and token.isdigit():
        return f"a port names its protocol: {token}/tcp"
    if token.type == "OTHER" and "NAME" in expected:
        return "a name begins with a letter and has ASCII letters, digits, `_`, `.`, `/` and `-`"
    if token.type == "NAME" and "ADDRESS" in expected:
        return "svcc looks up no host names: write the address"
    if token.type == "LBRACE":
        return "only `cluster`, `node`, `defaults`, `service` and `endpoints` open a block"
    return None


def _unclosed(source: Source, text: str) -> Diagnostic:
    blocks = _place(text, len(text)).blocks
    if not blocks:
        end = len(text.rstrip())
        return Diagnostic(Code.UNCLOSED, "the file ends in the middle of a statement", Span(source, end - 1, end))
    start, brace = blocks[-1]
    header = " ".join(text[start:brace].split())
    return Diagnostic(
        Code.UNCLOSED,
        f"the block of `{header}` is never closed",
        Span(source, brace, brace + 1),
        "a `}` is missing",
    )


def _bad_character(offset: int, source: Source, text: str) -> Diagnostic:
    character = text[offset : offset + 1]
    if character == '"':
        line_end = text.find("\n", offset)
        return Diagnostic(
            Code.UNCLOSED, "the string is never closed", Span(source, offset, line_end), 'a `"` is missing'
        )
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    return Diagnostic(Code.SYNTAX, f"`{shown}` cannot stand here", Span(source, offset, offset + 1))

"""Explains text that is no statement of the language."""

from __future__ import annotations

import re

from lark import Token, UnexpectedInput, UnexpectedToken

from svcc.compiler import ir
from svcc.compiler.characters import hints_for_hidden_characters, with_foreign_letter
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Related
from svcc.compiler.foreign_words import OF_PROXIES, foreign_option, foreign_word
from svcc.compiler.names import quotable
from svcc.compiler.slips import hint_for_line, hint_for_piece
from svcc.compiler.slips.checks import CHECK_OPTIONS
from svcc.compiler.slips.lets import hint_for_list
from svcc.compiler.slips.slip import protocol_of
from svcc.compiler.source import Source, Span
from svcc.compiler.statement_places import place_of
from svcc.compiler.suggest import did_you_mean, one_of

#: Keywords by the block in which they begin a statement ("" is the top of the file).
STATEMENTS = {
    "": ("svcc", "include", "let", "cluster", "node", "defaults", "endpoints", "service", "balancer"),
    "cluster": ("prefix", "pods", "services", "nodeports", "nodeport-addresses", "vip-device", "mark"),
    "node": ("address", "zone", "instance"),
    "balancer": ("kind", "scheme", "network", "security", "listen", "route"),
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
        "snat",
        "forward",
        "when-empty",
        "one-packet",
        "check",
        "when-failed",
        "endpoints",
    ),
}

#: Words that occur within statements.
_OPTIONS = (
    "weight",
    "draining",
    "backup",
    "max-connections",
    "on",
    "nodeport",
    "shared",
    "default",
    "by",
    "per",
    "registered",
)
#: The statements that open a block.
_OPENING = ("cluster", "node", "defaults", "endpoints", "service", "balancer")

#: What messages call the parser's terminals. A keyword is missing here, because it is its own name.
_FORMS = {
    "ADDRESS": "an address",
    "BRACKETED": "an address",
    "RANGE": "an address",
    "VARIABLE": "a `$name`",
    "NAME": "a name",
    "STRING": 'a "string"',
    "NUMBER": "a number",
    "PORTS": "a port",
    "PORT_SPEC": "PORT/PROTOCOL",
    "DURATION": "a time such as 3h",
    "PATH": "a path",
    "SERVED": "SERVICE:PORT",
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
#: What to say about a sign that is valid only in other places.
_LISTS = ("vip", "external-ip", "allow-from", "pods", "services", "snat", "masquerade", "address", "security")
_KINDS = {
    "LSQB": "only a `let` has its values in brackets: here they stand side by side",
    "RSQB": "only a `let` has its values in brackets: here they stand side by side",
    "BRACKETED": "only an endpoint with a port has its address in brackets",
    "EQUAL": "only a `let` has a `=`",
    "LBRACE": "only `cluster`, `node`, `defaults`, `service`, `balancer` and `endpoints` open a block",
}
#: The values of statements that take one of a few, by the words before them.
VALUES: dict[str, tuple[str, ...]] = {
    "announce": ("yes", "no"),
    "kind": tuple(ir.BalancerKind),
    "scheme": tuple(ir.Scheme),
    "one-packet": ("yes", "no"),
    "scheduler": tuple(ir.Scheduler),
    "affinity": ("client-ip",),
    "traffic": ("external", "internal"),
    "scheduler sh by": tuple(ir.HashBy),
    "scheduler mh by": tuple(ir.HashBy),
    "traffic external": tuple(ir.Traffic),
    "traffic internal": tuple(ir.Traffic),
    "masquerade": (*ir.Masquerade, "NETWORK…"),
    "forward": tuple(ir.Forward),
    "when-empty": tuple(ir.WhenEmpty),
    "check": (*ir.CheckKind, "none"),
    "when-failed": tuple(ir.WhenFailed),
}
_STATEMENT = re.compile(r"[^\n;{}#]{0,400}")  # a longer piece says no more, and takes longer to look at
_NAMED = re.compile(r"[A-Za-z][\w-]*\s+(\d+(?:\.\d+){3}(?::\d+)?)(?!\S)")  # a word, and an address


def explain(error: UnexpectedInput, source: Source, text: str, begin: int) -> Diagnostic:
    """Return the diagnostic for one syntax error of lark's. ``begin``: an earlier offset at the top of the file."""
    if not isinstance(error, UnexpectedToken):
        return _bad_character(error.pos_in_stream or 0, source, text)
    if error.token.type == "$END":
        return _unclosed(source, text, begin)
    return _Culprit(source, text, error, begin).explained()


class _Culprit:
    """A word that cannot stand where it is."""

    def __init__(self, source: Source, text: str, error: UnexpectedToken, begin: int) -> None:
        self.source = source
        self.text = text
        self.token: Token = error.token
        self.expected = set(error.accepts or error.expected)
        start, end = self.token.start_pos or 0, self.token.end_pos or 0
        self.place = place_of(text, start, begin)
        self.block = self.place.keyword(text)
        self.ended = self.token.type == "_END"
        if self.ended:
            start = len(text[:start].rstrip(" \t"))
            end = start + 1
        self.span = Span(source, start, end)
        written = _STATEMENT.match(text, self.place.start)
        self.statement = "" if written is None else written.group().rstrip()
        self.at = start - self.place.start

    def explained(self) -> Diagnostic:
        token, known = self.token, sorted(_keywords(self.expected))
        hidden = next(hints_for_hidden_characters(token.strip()), None)
        if hidden is not None and not self.ended and not (self.at == 0 and known):
            return self._unexpected(f"found `{token.strip()}`", hidden)
        if self.ended:
            brace = (
                "`{` stands on the line of the block's name, with no `;` between" if "LBRACE" in self.expected else None
            )
            return self._unexpected("the statement ends", self._shape() or brace or self._values())
        if self.at == 0 and token.type in ("NAME", "OTHER") and known:
            return self._unknown_statement()
        if token.type == "NAME" and self._outer():
            return self._unexpected(f"found `{token}`", *self._still_open())
        if self.at == 0 and (separate := self._separate()):
            return self._unexpected(f"found `{token}`", separate)
        if token.type == "NAME" and known and "NAME" not in self.expected:
            hint = self._option() or self._shape() or self._separate() or did_you_mean(token, known)
            arrow = ["->"] if "__ANON_0" in self.expected else []
            hint = hint or f"here can stand {one_of([f'`{k}`' for k in arrow + known])}"
            message = f"`{token}` is not an option of this statement"
            return Diagnostic(Code.UNKNOWN_STATEMENT, message, self.span, hint)
        hint = (
            (self._foreign() if self.at == 0 else self._option())
            or self._shape()
            or self._separate()
            or hint_for_list(self.text[self.place.start : self.span.start], token)
            or self._form()
        )
        if hint is not None and token.type == "OTHER":
            hint = with_foreign_letter(token, hint)
        return self._unexpected(f"found `{token.strip()}`", hint)

    def _unknown_statement(self) -> Diagnostic:
        word, block, known = str(self.token), self.block, self._statements()
        where = f"`{block}`" if block else "a file"
        bare = word.rstrip(":")
        related: tuple[Related, ...] = ()
        if bare != word and bare in known:
            hint: str | None = f"without the colon: {bare}"
        elif (home := self._home()) and not (home == ["balancer"] and foreign_word(word, block)):
            hint = f"it belongs {one_of([f'in `{name}`' if name else 'at the top of a file' for name in home])}"
            if self._outer():
                _, related = self._still_open()
                hint += ": is a `}` missing before it?"
        else:
            listed = f"in {where} can stand {one_of([f'`{k}`' for k in known])}" if known else None
            hidden = next(hints_for_hidden_characters(word), None)
            shape = self._shape() if bare == word else None  # the colon is not what is wrong here
            hint = hidden or self._foreign() or shape or did_you_mean(bare, known)
            hint = hint or (listed and with_foreign_letter(word, listed))
        return Diagnostic(Code.UNKNOWN_STATEMENT, f"no statement `{word}` in {where}", self.span, hint, related)

    def _statements(self) -> tuple[str, ...]:
        """Return the words that begin a statement here."""
        return STATEMENTS.get("service" if self.block == "defaults" else self.block, ())

    def _separate(self) -> str | None:
        """Return what to say about a statement on the line of the one before it. Return None for anything else."""
        if "_END" not in self.expected or self.token not in self._statements():
            return None
        before = self.statement[: self.at].rstrip() or "}"
        return f"each statement stands in a line of its own, or behind a `;`: {before}; {self.token} …"

    def _foreign(self) -> str | None:
        """Return what to say about a statement that begins like one of another tool's. Return None for any other."""
        return hint_for_line(self.statement) or foreign_word(self.token, self.block, self.statement)

    def _option(self) -> str | None:
        if self.block == "endpoints":
            return foreign_option(self.token, self.statement)
        return foreign_option(self.token) if self.token in OF_PROXIES.split() else None

    def _home(self) -> list[str]:
        """Return the blocks in which the word begins a statement; none where it opens a block that no such statement
        has.
        """
        opens = self.text[self.place.start + len(self.statement) :].lstrip(" \t").startswith("{")
        if opens and self.token not in _OPENING:
            return []
        return [name for name, words in STATEMENTS.items() if self.token in words]

    def _outer(self) -> bool:
        """Whether the word begins a statement of a block further out, so that this block may be open by mistake."""
        outer = ("", *(self.place.keyword_of(self.text, i) for i in range(len(self.place.blocks) - 1)))
        inner = STATEMENTS.get(self.block, ())
        begins = self.at == 0 and bool(self.place.blocks) and self.token not in inner
        return begins and any(self.token in STATEMENTS.get(name, ()) for name in outer)

    def _still_open(self) -> tuple[str, tuple[Related, ...]]:
        brace = self.place.blocks[-1][1]
        related = Related("this block is still open", Span(self.source, brace, brace + 1))
        return f"is the `}}` of `{self.block}` missing before it?", (related,)

    def _unexpected(self, found: str, hint: str | None = None, related: tuple[Related, ...] = ()) -> Diagnostic:
        expected = self.expected
        left_out = _NOT_SAID | {"STRING"} if "NAME" in expected else _NOT_SAID
        forms = {_FORMS[t] for t in expected - left_out if t in _FORMS}
        if self.statement[: self.at].split()[-1:] == ["expect"]:
            forms = {"a status"}
        said = sorted(forms - {"the end of the statement"}) + sorted(f"`{k}`" for k in _keywords(expected))
        if not said or ("_END" in expected and not self.ended):
            said.append("the end of the statement")
        message = f"expected {one_of(said)}, but {found}"
        return Diagnostic(Code.SYNTAX, message, self.span, hint, related)

    def _shape(self) -> str | None:
        return hint_for_piece(self.statement, self.at)

    def _values(self) -> str | None:
        """Return the values of the statement, where it takes one of a few."""
        before = " ".join(self.statement[: self.at].split())
        values = VALUES.get(before)
        if values is None or "NAME" not in self.expected:
            return None
        return f"`{before}` is {one_of([f'`{value}`' for value in values])}"

    def _port(self) -> str | None:
        """Return what to say about a port that lacks its protocol or is no number. Return None for a port's name."""
        if re.fullmatch(r"\d{1,5}(?:-\d{1,5})?", self.token):
            return f"a port names its protocol: {self.token}/{protocol_of(self.statement)}"
        if re.search(r"\s\d{1,5}(?:-\d{1,5})?/\w", self.statement[self.at :]):
            return None
        return "a port is a number or a range of numbers, with its protocol: 80/tcp, 5000-5099/udp"

    def _form(self) -> str | None:
        """Return what to say about the kind of the word. Return None where there is nothing to say."""
        token, expected = self.token, self.expected
        if token.type == "STRING":
            return f"without quotes: {token[1:-1]}"
        if values := self._values():
            return values
        if "PORT_SPEC" in expected and token[0].isdigit() and (port := self._port()) is not None:
            return port
        if "STRING" in expected and "NAME" in expected and quotable(token):
            return f'a name that begins with a digit, or has such signs, is quoted: "{token}"'
        if token.type == "OTHER" and "NAME" in expected:
            return "a name begins with a letter and has ASCII letters, digits, `_`, `.`, `/` and `-`"
        if token.type == "NAME" and "VARIABLE" in expected and "." not in token:
            if self.block == "endpoints" and self.at == 0:
                if (address := _NAMED.match(self.statement)) is not None:
                    return f"an endpoint has no name: {address[1]}"
                return f"a let is written ${token}, a pool stands before the `{{`, and svcc looks up no host names"
            return f"a let is written ${token}; svcc looks up no host names: write the address"
        if token.type in ("NAME", "OTHER") and "ADDRESS" in expected and re.fullmatch(r"\w[\w.-]*[A-Za-z]", token):
            return "svcc looks up no host names: write the address"
        if token.type == "LBRACE" and self.text.startswith(("{{", "{%", "${"), token.start_pos or 0):
            return "that is for a template: svcc reads what was made of it"
        if token.type == "RBRACE" and not self.place.blocks:
            return "it ends no block: one `}` too many"
        if "LBRACE" in expected and token.type == "LSQB":
            return "a block stands in braces: { … }"
        if token.type == "LBRACE" and "NAME" in expected and self.statement.strip() in _OPENING:
            return f"the name stands before the `{{`: {self.statement.strip()} web {{ … }}"
        if token.type == "_COMMA" and self.statement.split()[0] in (*_LISTS, "nodeport-addresses", "endpoints"):
            return "values stand side by side, without commas"
        return next(hints_for_hidden_characters(token), None) or _KINDS.get(token.type)


def _keywords(expected: set[str]) -> set[str]:
    """Return the keywords among the expected terminals, as they are written."""
    written = {word.upper().replace("-", "_"): word for words in STATEMENTS.values() for word in words}
    written |= {word.upper().replace("-", "_"): word for word in _OPTIONS}
    written |= {word.upper(): word for word in CHECK_OPTIONS}
    written["ADDRESSES"] = written.pop("ADDRESS")
    return {written[terminal] for terminal in expected if terminal in written}


def _unclosed(source: Source, text: str, begin: int) -> Diagnostic:
    blocks = place_of(text, len(text), begin).blocks
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
    hint = next(hints_for_hidden_characters(character), None)
    return Diagnostic(Code.SYNTAX, f"`{shown}` cannot stand here", Span(source, offset, offset + 1), hint)

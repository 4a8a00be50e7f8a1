"""Turns a ``check`` statement into IR."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from svcc.compiler import ir, syntax
from svcc.compiler.codes import Code
from svcc.compiler.health_checks import OPTIONS
from svcc.compiler.settings import Settings
from svcc.compiler.suggest import did_you_mean, one_of
from svcc.compiler.syntax import Word
from svcc.compiler.values import Values

#: The shortest and the longest time, in seconds.
MIN_TIME, MAX_TIME = 0.01, 3_600
#: The most checks in a row.
MAX_COUNT = 1_000
CODES = (100, 599)  # RFC 9110 15
#: What may be a path. RFC 3986 allows fewer characters; this pattern refuses what no request line can hold.
PATH = re.compile(r"/[!#-~]{0,1023}")
HOST = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,255}")
NAME = re.compile(r"(?=.{1,254}$)(\.|([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?)")
NONE = "none"


def lower_check(settings: Settings, statement: syntax.Setting) -> None:
    """Set ``check``. ``check none`` sets it to None, which overrides a default."""
    values, kind = settings.values, statement.values[0]
    if kind == NONE:
        settings.fields["check"] = None
        settings.spans["check"] = values.span(kind)
        for word in statement.values[1:2]:
            values.error(Code.CHECK, "`check none` has no options", word)
        return
    if kind not in list(ir.CheckKind):
        values.unknown(kind, [*ir.CheckKind, NONE], "check")
        return
    found: dict[str, Any] = {}
    for name, option, word in _options(values, ir.CheckKind(kind), statement.values[1:]):
        if name in found:
            values.error(Code.REPEATED, f"a second `{name}` for one check", option)
        found[name] = _value(values, name, word)
        settings.spans[f"check {name}"] = values.span(word)
    given = {name: value for name, value in found.items() if value is not None}
    settings.put("check", ir.Check(ir.CheckKind(kind), **given), "check", kind)


def _options(values: Values, kind: ir.CheckKind, words: tuple[Word, ...]) -> Iterator[tuple[str, Word, Word]]:
    """Yield the options that this kind of check has: their names, the words that begin them, and the words of their
    values.
    """
    left = iter(words)
    for word in left:
        name, value = _option(kind, word)
        if value is None:
            value = next(left)
        if name == "what":
            from svcc.compiler.slips.checks import CHECK_OPTIONS  # wrong programs alone need it

            guess = did_you_mean(word, CHECK_OPTIONS)
            values.error(Code.CHECK, f"`check {kind}` asks for no name or path", word, guess)
        elif name in ("path", "host", "expect", "insecure", "name") and name not in OPTIONS[kind]:
            shown = name if name in ("path", "name") else f"`{name}`"
            able = one_of([f"`check {k}`" for k in ir.CheckKind if name in OPTIONS[k]], "and")
            values.error(Code.CHECK, f"`check {kind}` takes no {shown}", word, f"only {able} {_do(able)}")
        else:
            yield name, word, value


def _do(able: str) -> str:
    return "do" if " and " in able else "does"


def _option(kind: ir.CheckKind, word: Word) -> tuple[str, Word | None]:
    """Return the option that a word begins, and its value, where the value is the word itself."""
    if word.type == "PORTS":
        return "port", word
    if word.type in ("PATH", "STRING", "NAME"):
        by_kind = "name" if kind is ir.CheckKind.DNS else "path" if "path" in OPTIONS[kind] else "what"
        return ("path" if word.startswith("/") else by_kind), word
    return str(word), word if word == "insecure" else None


def _value(values: Values, name: str, word: Word) -> object:
    match name:
        case "port":
            return _port(values, word)
        case "every" | "timeout":
            return values.time(word, MIN_TIME, MAX_TIME, f"`{name}`")
        case "fall" | "rise":
            return values.number(word, 1, MAX_COUNT, f"`{name}`")
        case "expect":
            return _codes(values, word)
        case "insecure":
            return True
        case _:
            return _text(values, name, word)


def _port(values: Values, word: Word) -> int | None:
    ports = values.ports(word)
    if ports is not None and len(ports) > 1:
        values.error(Code.PORT, "a check asks one port", word, f"write its number: {ports.first}")
        return None
    return None if ports is None else ports.first


def _codes(values: Values, word: Word) -> tuple[int, int] | None:
    first, _, last = word.partition("-")
    codes = (int(first[:6]), int((last or first)[:6]))
    if CODES[0] <= codes[0] <= codes[1] <= CODES[1]:
        return codes
    hint = f"a status of HTTP is {CODES[0]} to {CODES[1]}, and a range begins with the lower one: 200-299"
    values.error(Code.RANGE, f"no answer has a status of {word}", word, hint)
    return None


_FORMS = {
    "path": (PATH, "a path begins with `/`, and has printable ASCII characters without blanks and quotes"),
    "host": (HOST, 'a host is a name or an address, and with a port quoted: "shop.example:8443"'),
    "name": (NAME, "the name that is looked up: shop.example"),
}


def _text(values: Values, name: str, word: Word) -> str | None:
    form, hint = _FORMS[name]
    if form.fullmatch(word):
        return str(word)
    values.error(Code.CHECK, f"`{word}` cannot be the {name} of a check", word, hint)
    return None

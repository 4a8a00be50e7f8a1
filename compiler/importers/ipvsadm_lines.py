"""Reads the lines of ``ipvsadm-save`` and of scripts with ipvsadm: each is one command with options (ipvsadm(8))."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from svcc.compiler.importers.interface import broken
from svcc.compiler.importers.words import Word, lines, over, text_of
from svcc.compiler.source import Source, Span

#: The most characters that a line may have. The longest of ipvsadm's own lines have some two hundred.
_LINE = 4096
_WORD = re.compile(r"\S+")
_CALL = re.compile(r"(?:sudo\s+)?(?:/\S*/)?ipvsadm\s+")


class Takes(Enum):
    """What kind of value an option of ipvsadm(8) takes."""

    NOTHING = "nothing"
    VALUE = "a value"
    PERHAPS = "perhaps a value"


def _by_letter(pairs: str) -> dict[str, str]:
    return dict(zip(pairs.split()[::2], pairs.split()[1::2], strict=True))


#: The commands: the letter, and the long name. Each line has exactly one of them.
_COMMANDS = _by_letter(
    "A add-service E edit-service D delete-service C clear R restore S save a add-server e edit-server d delete-server"
    " L list l list Z zero"
)
_LONG_COMMANDS = frozenset(_COMMANDS.values()) | {"set", "start-daemon", "stop-daemon"}
#: Commands whose options are read. A note about any other command is about the whole line.
_WITH_OPTIONS = ("add-service", "edit-service", "delete-service", "add-server", "edit-server", "delete-server")
_OPTIONS = _by_letter(
    "t tcp-service u udp-service f fwmark-service 6 ipv6 s scheduler p persistent M netmask b sched-flags o ops"
    " r real-server g gatewaying i ipip m masquerading w weight x u-threshold y l-threshold n numeric"
)
_TAKES = {
    **dict.fromkeys(("tcp-service", "udp-service", "sctp-service", "fwmark-service"), Takes.VALUE),
    **dict.fromkeys(("scheduler", "netmask", "sched-flags", "pe", "real-server", "weight"), Takes.VALUE),
    **dict.fromkeys(("u-threshold", "l-threshold", "tun-type", "tun-port"), Takes.VALUE),
    **dict.fromkeys(("ipv6", "ops", "gatewaying", "ipip", "masquerading", "numeric", "exact"), Takes.NOTHING),
    **dict.fromkeys(("tun-nocsum", "tun-csum", "tun-remcsum"), Takes.NOTHING),
    "persistent": Takes.PERHAPS,
}
_LISTING = re.compile(r"IP Virtual Server version|Prot\s+LocalAddress:Port|TCP\s|UDP\s|->\s")


@dataclass(frozen=True, slots=True)
class Line:
    """One command with its options by their long names.

    The value of an option that takes none is the option's own word.
    """

    span: Span
    command: str  # the long name
    options: dict[str, Word] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)  # the places of the options with their values

    def has(self, option: str) -> bool:
        """Whether the line has an option. ``option``: its long name."""
        return option in self.options


def commands(source: Source) -> Iterator[Line]:
    """Return the commands of a text, without blank lines and comments. Errors: Broken."""
    for span in lines(source):
        text = text_of(span)
        if len(text) > _LINE:
            raise broken(
                f"a line of more than {_LINE} characters is none of ipvsadm", Span(source, span.start, span.start)
            )
        if not text.startswith("#"):
            yield _command(span, text)


def _command(span: Span, text: str) -> Line:
    call = _CALL.match(text)
    start = span.start + (call.end() if call else 0)
    found = _WORD.finditer(span.source.text, start, span.end)
    words = [Word(w.group(), Span(span.source, w.start(), w.end())) for w in found]
    comment = next((at for at, word in enumerate(words) if word.text.startswith("#")), len(words))
    return _Reader(span, words[:comment]).line()


class _Reader:
    """Reads the words of one line."""

    def __init__(self, span: Span, words: list[Word]) -> None:
        self._span = span
        self._words = words
        self._at = 0
        self._command: str | None = None
        self._options: dict[str, Word] = {}
        self._spans: dict[str, Span] = {}

    def line(self) -> Line:
        while self._at < len(self._words) and self._command in (None, *_WITH_OPTIONS):
            word = self._next()
            if word.text.startswith("--"):
                self._long(word)
            elif word.text.startswith("-") and len(word.text) > 1:
                self._short(word)
            else:
                raise self._strange(word)
        if self._command is None:
            raise broken("this line has no command", self._span, "a service is added with -A, a server with -a")
        return Line(self._span, self._command, self._options, self._spans)

    def _next(self) -> Word:
        self._at += 1
        return self._words[self._at - 1]

    def _strange(self, word: Word) -> Exception:
        if _LISTING.match(text_of(self._span)):
            hint = "save the services for reading by programs: ipvsadm-save -n"
            return broken("this is a listing of ipvsadm, for people to read", self._span, hint)
        return broken(f"`{word.text}` is no option of ipvsadm", word.span, "import reads what `ipvsadm-save -n` prints")

    def _long(self, word: Word) -> None:
        name, found, value = word.text[2:].partition("=")
        if name in _LONG_COMMANDS and not found:
            self._begin(name, word)
        elif name in _TAKES:
            start = word.span.end - len(value)
            self._option(name, word, Word(value, Span(word.span.source, start, word.span.end)) if found else None)
        else:
            raise self._strange(word)

    def _short(self, word: Word) -> None:
        """Read one letter, or several of which the last may have its value behind it: ``-At``, ``-w1``."""
        for at, letter in enumerate(word.text[1:], 1):
            rest = word.text[at + 1 :]
            if letter in _COMMANDS:
                self._begin(_COMMANDS[letter], word)
                if self._command not in _WITH_OPTIONS:
                    return
            elif letter not in _OPTIONS:
                raise self._strange(word)
            elif _TAKES[_OPTIONS[letter]] is not Takes.NOTHING and rest:
                span = Span(word.span.source, word.span.end - len(rest), word.span.end)
                self._option(_OPTIONS[letter], word, Word(rest, span))
                return
            else:
                self._option(_OPTIONS[letter], word, None)

    def _begin(self, command: str, word: Word) -> None:
        if self._command is not None:
            raise broken("a second command in one line", word.span)
        self._command = command

    def _option(self, name: str, word: Word, value: Word | None) -> None:
        takes = _TAKES[name]
        if name in self._options:
            raise broken(f"a second `{word.text}` in one line", word.span)
        if takes is Takes.NOTHING and value is not None:
            raise broken(f"`--{name}` takes no value", word.span)
        if takes is not Takes.NOTHING and value is None:
            following = self._words[self._at].text if self._at < len(self._words) else "-"
            if not following.startswith("-"):
                value = self._next()
            elif takes is Takes.VALUE:
                raise broken(f"`{word.text}` has no value", word.span)
        self._options[name] = word if value is None else value
        self._spans[name] = over(word.span, self._options[name].span)

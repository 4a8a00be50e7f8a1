"""Turns words into values: addresses, networks, ports, numbers, times and names from lists.

Each function returns the value, or reports the word with its place and returns None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, NetmaskValueError
from socket import AF_INET6, inet_pton
from typing import TypeVar

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, Related, Severity
from svcc.compiler.names import QUOTED, QUOTED_FORM
from svcc.compiler.read_addresses import glued_port, read_ipv4
from svcc.compiler.source import Source, Span
from svcc.compiler.suggest import did_you_mean, one_of
from svcc.compiler.syntax import Word, word_at

E = TypeVar("E", bound=StrEnum)

MAX_PORT = 65_535
#: The most addresses of a range.
MAX_ADDRESSES = 1_024
#: What messages call a value by; all others are statements, which have values.
_NOUNS = ("check", "device", "protocol", "protocol of a listener", "scheduler", "unit of time")
_SERVED = re.compile(r'("[^"]*"|[^":]*):("[^"]*"|[^":]*)')
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(slots=True)
class Values:
    """Reads the words of one source; what is wrong with them goes to ``diagnostics``."""

    source: Source
    diagnostics: list[Diagnostic]

    def span(self, word: Word) -> Span:
        """Return the place of a word in its file."""
        return Span(self.source, word.start_pos or 0, word.end_pos or 0)

    def error(
        self,
        code: Code,
        message: str,
        word: Word,
        hint: str | None = None,
        related: tuple[Related, ...] = (),
        part: str | None = None,
    ) -> None:
        """Report an error at a word, or at the last occurrence of ``part`` in it."""
        span = self.span(word)
        if part:
            start = span.start + word.rindex(part)
            span = Span(self.source, start, start + len(part))
        self.diagnostics.append(Diagnostic(code, message, span, hint, related))

    def warning(self, code: Code, message: str, word: Word, hint: str | None = None) -> None:
        """Report a warning at a word."""
        self.diagnostics.append(Diagnostic(code, message, self.span(word), hint, severity=Severity.WARNING))

    def name(self, word: Word) -> str:
        """Return a name that is declared. The grammar checks names without quotes; this checks quoted ones."""
        if word.type == "STRING" and not QUOTED.fullmatch(word):
            self.error(Code.NAME, f'"{word}" cannot be a name', word, _name_hint(word))
        return str(word)

    def served(self, word: Word) -> tuple[str, str | None]:
        """Return service and port of ``SERVICE`` or ``SERVICE:PORT``, each name quoted or not."""
        if word.type != "SERVED":
            return self.name(word), None
        parts = _SERVED.fullmatch(word)
        assert parts is not None, "the grammar has seen to it"
        names = []
        for name in parts.groups():
            if name.startswith('"') and not QUOTED.fullmatch(name[1:-1]):
                self.error(Code.NAME, f"{name} cannot be a name", word, _name_hint(name), part=name)
            names.append(name.strip('"'))
        return names[0], names[1]

    def address(self, word: Word) -> ir.Address | None:
        """Return the address of a word. Report a wrong one, and return None."""
        try:
            return _address(word)
        except AddressValueError:
            from svcc.compiler.wrong_addresses import address_hint  # needed only for programs with errors

            self.error(Code.ADDRESS, f"`{word}` is not an IP address", word, address_hint(word))
            return None

    def addresses(self, word: Word) -> list[ir.Address]:
        """Return one address, or all of ``FIRST-LAST``, both included, at most 1,024."""
        if word.type != "RANGE":
            found = self.address(word)
            return [] if found is None else [found]
        text, _, rest = word.partition("-")
        first, last = (
            self.address(part) for part in (self._part(word, 0, text), self._part(word, len(text) + 1, rest))
        )
        if first is None or last is None:
            return []
        if first.version != last.version:
            self.error(Code.ADDRESS, f"`{word}` begins in IPv{first.version} and ends in IPv{last.version}", word)
            return []
        count = int(last) - int(first) + 1
        if count < 1:
            self.error(Code.ADDRESS, f"the range `{word}` runs backwards", word, f"write {last}-{first}")
        elif count > MAX_ADDRESSES:
            self.error(Code.RANGE, f"`{word}` has {count} addresses", word, f"a range has at most {MAX_ADDRESSES}")
        else:
            return [first + i for i in range(count)]
        return []

    def _part(self, word: Word, at: int, text: str) -> Word:
        """Return a piece of a word, with its own place."""
        return word_at(word.type, text, (word.start_pos or 0) + at)

    def endpoint_address(self, word: Word) -> tuple[ir.Address | None, int | None]:
        """Return address and port of ``ADDRESS``, ``IPV4:PORT`` or ``[IPV6]:PORT``."""
        if word[0] != "[" and word.count(":") != 1:
            found = self.address(word)
            if found is not None and (glued := glued_port(word)) is not None:
                self.warning(Code.ADDRESS, glued.message, word, glued.hint)
            return found, None
        address, port = self._split_port(word)
        number = None
        if port is not None:
            number = _int(port) if port.isdecimal() else 0
            if not 1 <= number <= MAX_PORT:
                self.error(Code.PORT, f"`{port}` is not a port", word, f"ports are 1 to {MAX_PORT}", part=port)
                number = None
        return self.address(address), number

    def _split_port(self, word: Word) -> tuple[Word, str | None]:
        if word.startswith("["):
            inside, _, rest = word[1:].partition("]")
            # the grammar allows only digits after a colon here
            start, port = (word.start_pos or 0) + 1, rest[1:] or None
        else:
            inside, _, port = word.partition(":")
            start = word.start_pos or 0
        return self._part(word, start - (word.start_pos or 0), inside), port

    def network(self, word: Word) -> ir.Network | None:
        """Return the network of a CIDR, or of an address, which is the network of just itself."""
        kind = IPv6Network if ":" in word else IPv4Network
        if "/" not in word and (length := _netmask_length(word)) is not None:
            hint = f"the length of its prefix is written behind a network: 10.0.0.0/{length}"
            self.error(Code.NETWORK, f"`{word}` is a netmask, and no network", word, hint)
            return None
        try:
            network = kind(word, strict=False)
        except ValueError as error:
            from svcc.compiler.wrong_addresses import address_hint  # needed only for programs with errors

            length = isinstance(error, NetmaskValueError)
            hint = "a prefix length is 0 to 32, with IPv6 0 to 128" if length else address_hint(word.partition("/")[0])
            self.error(Code.NETWORK, f"`{word}` is not a network", word, hint)
            return None
        if str(network.network_address) != str(kind(word.partition("/")[0]).network_address):
            self.error(
                Code.HOST_BITS, f"`{word}` has bits set beyond its /{network.prefixlen}", word, f"write {network}"
            )
            return None
        return network

    def ports(self, word: Word, text: str | None = None) -> ir.PortRange | None:
        """Return the range of ``8080`` or ``5000-5099``."""
        first, _, last = (text or word).partition("-")
        ports = ir.PortRange(_int(first), _int(last or first))
        if not (1 <= ports.first <= MAX_PORT and 1 <= ports.last <= MAX_PORT):
            self.error(Code.PORT, f"`{text or word}` is not a port", word, f"ports are 1 to {MAX_PORT}")
            return None
        if ports.first > ports.last:
            hint = f"write {ports.last}-{ports.first}"
            self.error(Code.PORT, f"the range `{text or word}` runs backwards", word, hint)
            return None
        return ports

    def ports_like(self, word: Word, pattern: ir.PortRange) -> ir.PortRange | None:
        """Return as many ports as ``pattern`` has, from the first port or the whole range that the word gives."""
        ports = self.ports(word)
        if ports is None:
            return None
        if "-" not in word:
            ports = ir.PortRange(ports.first, ports.first + len(pattern) - 1)
            if ports.last > MAX_PORT:
                self.error(Code.PORT, f"{len(pattern)} ports from {word} go beyond {MAX_PORT}", word)
                return None
        elif len(ports) != len(pattern):
            hint = f"a range maps one to one: write {ports.first}, its first port"
            self.error(Code.PORT, f"`{word}` has {len(ports)} ports, and {pattern} has {len(pattern)}", word, hint)
            return None
        return ports

    def port_spec(self, word: Word) -> tuple[ir.PortRange | None, ir.Protocol | None]:
        """Return ports and protocol of ``80/tcp`` or ``5000-5099/udp``."""
        numbers, _, name = word.partition("/")
        return self.ports(word, numbers), self.choice(word, ir.Protocol, "protocol", Code.PROTOCOL, name)

    def choice(
        self, word: Word, kind: type[E], what: str, code: Code = Code.VALUE, text: str | None = None
    ) -> E | None:
        """Return one of an enumeration's values.

        ``text``: the part of the word that counts; ``what``: what messages call the value.
        """
        try:
            return kind(text or word)
        except ValueError:
            self.unknown(word, [member.value for member in kind], what, code, text)
            return None

    def unknown(
        self, word: Word, known: Iterable[str], what: str, code: Code = Code.VALUE, text: str | None = None
    ) -> None:
        """Report a word that is none of the known ones, with the closest known one. ``what``: what messages call it;
        ``text``: the word without its quotes. Return None.
        """
        from svcc.compiler.foreign_values import REMARKS, VALUES  # needed only for programs with errors

        known = list(known)
        said = f"it is {one_of([f'`{k}`' for k in known])}"
        given = (text or word).lower()
        meant = VALUES.get(what, {}).get(given)
        guess = REMARKS.get(what, {}).get(given) or (
            f"did you mean `{meant}`?" if meant else did_you_mean(text or word, known)
        )
        kind = what if what in _NOUNS else f"value of `{what}`"
        self.error(code, f"`{text or word}` is no {kind}", word, f"{guess} ({said})" if guess else said, part=text)

    def number(self, word: Word, low: int, high: int, what: str) -> int | None:
        """Return the number of a word, decimal or hexadecimal.

        Report one that is not from ``low`` to ``high``, and return None.
        """
        value = int(word, 16) if word.startswith("0x") else _int(word)
        if low <= value <= high:
            return value
        self.error(Code.RANGE, f"{word} is out of range", word, f"{what} is {low} to {high}")
        return None

    def seconds(self, word: Word) -> int | None:
        """Return the seconds of ``90s``, ``15m``, ``3h``, ``1d``: from one second to a day (the range of Kubernetes'
        affinity).
        """
        number, unit = _time(word)
        if unit not in _SECONDS:
            self.unknown(word, _SECONDS, "unit of time", text=unit)
            return None
        seconds = _int(number) * _SECONDS[unit]
        if not 1 <= seconds <= _SECONDS["d"]:
            self.error(Code.RANGE, f"{word} is out of range", word, "affinity lasts from 1s to 1d")
            return None
        return seconds

    def time(self, word: Word, low: float, high: float, what: str) -> float | None:
        """Return the seconds of ``500ms``, ``5s``, ``1m``.

        ``low`` and ``high``: the limits in seconds; ``what``: what messages call the time.
        """
        number, unit = _time(word)
        sizes = {"ms": 1} | {name: size * 1000 for name, size in _SECONDS.items()}
        if unit not in sizes:
            self.unknown(word, sizes, "unit of time", text=unit)
            return None
        seconds = _int(number) * sizes[unit] / 1000
        if not low <= seconds <= high:
            limits = f"{low * 1000:.0f}ms to {high:.0f}s"
            self.error(Code.RANGE, f"{word} is out of range", word, f"{what} is {limits}")
            return None
        return seconds


def _address(text: str) -> ir.Address:
    """Return an address. Errors: AddressValueError.

    The C library and ipaddress read the same texts (a test checks that). The C library is three times faster; ipaddress
    has the messages for wrong texts.
    """
    if text.count(":") < 2:
        return read_ipv4(text) or IPv4Address(text)
    try:
        return IPv6Address(inet_pton(AF_INET6, text))
    except (OSError, ValueError):
        return IPv6Address(text)


def _name_hint(name: str) -> str:
    from svcc.compiler.characters import with_foreign_letter  # needed only for programs with errors

    return with_foreign_letter(name, QUOTED_FORM)


def _netmask_length(text: str) -> int | None:
    """Return the prefix length of a netmask (255.255.0.0) or of its inverse (0.0.255.255), or None.

    No packet has such an address.
    """
    if not text.startswith(("255.", "0.")) or text == "0.0.0.0":
        return None
    try:
        return IPv4Network(f"0.0.0.0/{text}", strict=False).prefixlen
    except ValueError:
        return None


def _time(word: str) -> tuple[str, str]:
    """Return the number and the unit of a time."""
    return word.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"), word.lstrip("0123456789")


def _int(digits: str) -> int:
    """Return the number. With more digits than Python converts, return one that is beyond every limit."""
    return int(digits) if len(digits) < 20 else 10**20

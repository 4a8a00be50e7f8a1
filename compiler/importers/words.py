"""Words of a text with their places, and what they mean as values in every kind of file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from svcc.compiler import ir
from svcc.compiler.source import Source, Span
from svcc.compiler.values import MAX_PORT

_DIGITS = re.compile(r"[0-9]{1,19}")


class Word(NamedTuple):
    """A word of a text: what stands between blanks, without the quotes around it."""

    text: str
    span: Span


def over(first: Span, last: Span) -> Span:
    """Return the span from the beginning of one place to the end of another in the same source."""
    return Span(first.source, first.start, max(first.end, last.end))


def lines(source: Source) -> Iterator[Span]:
    """Return every line that is not blank, without the blanks around it."""
    for found in re.finditer(r"[^\s](?:[^\n]*[^\s])?", source.text):
        yield Span(source, found.start(), found.end())


def text_of(span: Span) -> str:
    """Return the characters of a span."""
    return span.source.text[span.start : span.end]


def address(text: str) -> ir.Address | None:
    """Return an address without a zone. Return None where the text is none."""
    try:
        return None if "%" in text or "/" in text else ip_address(text)
    except ValueError:
        return None


def network(text: str) -> ir.Network | None:
    """Return a network, or an address as the network of just itself.

    Bits beyond the prefix may be set. Return None where the text is neither.
    """
    try:
        return None if "%" in text else ip_network(text, strict=False)
    except ValueError:
        return None


def number(text: str, low: int, high: int) -> int | None:
    """Return a whole number from ``low`` to ``high``. Return None where the text is none."""
    value = int(text) if _DIGITS.fullmatch(text) else -1
    return value if low <= value <= high else None


def port(text: str) -> int | None:
    """Return a port's number, from 1 on. Return None where the text is none."""
    return number(text, 1, MAX_PORT)


def ports(text: str, dash: str = "-") -> ir.PortRange | None:
    """Return the range of ``8080``, or of two ports in ascending order. Return None where the text is neither."""
    first, found, last = text.partition(dash)
    begin, end = port(first), port(last if found else first)
    return None if begin is None or end is None or begin > end else ir.PortRange(begin, end)


def socket(text: str) -> tuple[ir.Address, str] | None:
    """Return address and port of ``IPV4:PORT`` or ``[IPV6]:PORT``, the port as it is written ("" where there is none).
    Return None where the text is neither.
    """
    host, found, tail = text.rpartition(":")
    if not found or text.endswith("]"):
        host, tail = text, ""
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    value = address(inner)
    return None if value is None or (value.version == 6) is not (inner != host) else (value, tail)

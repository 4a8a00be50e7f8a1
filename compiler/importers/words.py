"""Words of a text with their places, and the values that they are in every kind of file."""

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
    """What stands in a text between blanks, without quotes around it."""

    text: str
    span: Span


def over(first: Span, last: Span) -> Span:
    """From the beginning of one place to the end of another in the same source."""
    return Span(first.source, first.start, max(first.end, last.end))


def lines(source: Source) -> Iterator[Span]:
    """Every line that holds more than blanks, without the blanks around it."""
    for found in re.finditer(r"[^\s](?:[^\n]*[^\s])?", source.text):
        yield Span(source, found.start(), found.end())


def text_of(span: Span) -> str:
    """The characters of a span."""
    return span.source.text[span.start : span.end]


def address(text: str) -> ir.Address | None:
    """An address without a zone; None: it is none."""
    try:
        return None if "%" in text or "/" in text else ip_address(text)
    except ValueError:
        return None


def network(text: str) -> ir.Network | None:
    """A network, or an address as the network of just itself, whatever bits are set beyond its prefix."""
    try:
        return None if "%" in text else ip_network(text, strict=False)
    except ValueError:
        return None


def number(text: str, low: int, high: int) -> int | None:
    """A whole number from ``low`` to ``high``; None: it is none."""
    value = int(text) if _DIGITS.fullmatch(text) else -1
    return value if low <= value <= high else None


def port(text: str) -> int | None:
    """A port's number, from 1 on; None: the text is none."""
    return number(text, 1, MAX_PORT)


def ports(text: str, dash: str = "-") -> ir.PortRange | None:
    """``8080``, or a range that does not run backwards; None: it is neither."""
    first, found, last = text.partition(dash)
    begin, end = port(first), port(last if found else first)
    return None if begin is None or end is None or begin > end else ir.PortRange(begin, end)


def socket(text: str) -> tuple[ir.Address, str] | None:
    """``IPV4:PORT`` or ``[IPV6]:PORT``, the port as it stands there ("" where there is none); None: it is neither."""
    host, found, tail = text.rpartition(":")
    if not found or text.endswith("]"):
        host, tail = text, ""
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    value = address(inner)
    return None if value is None or (value.version == 6) is not (inner != host) else (value, tail)

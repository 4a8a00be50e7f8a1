"""Readers of verdicts other than chains, by the word after ``-j``."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from svcc.kernel.xtables.verdicts import (
    Dnat,
    MarkFromSet,
    Masquerade,
    Reject,
    SetCtMark,
    SetMark,
    Snat,
    Verdict,
)
from svcc.targets.reading import quoted
from svcc.targets.xtables_read.words import NotRead, Words


def _dnat(words: Words) -> Verdict:
    words.expect("--to-destination")
    text = words.take()
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]:")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        address = str(ip_address(host))
        number = int(port[:20]) if port else None
    except ValueError:
        raise NotRead(f"{quoted(text)} is no endpoint") from None
    if number is not None and not 0 < number < 1 << 16:
        raise NotRead(f"{number} is no port")
    return Dnat(address, number)


def _set_mark(words: Words) -> Verdict:
    words.expect("--set-xmark")
    return SetMark(*words.masked())


def _set_ct_mark(words: Words) -> Verdict:
    words.expect("--set-xmark")
    return SetCtMark(*words.masked())


def _mark_from_set(words: Words) -> Verdict:
    words.expect("--map-set")
    name, fields = words.take(), words.take()
    words.expect("--map-mark")
    return MarkFromSet(name, fields)


def _masquerade(words: Words) -> Verdict:
    words.expect("--random-fully")
    return Masquerade()


def _snat(words: Words) -> Verdict:
    words.expect("--to-source")
    first, _, last = words.take().partition("-")
    words.expect("--random-fully")
    try:
        return Snat(str(ip_address(first)), str(ip_address(last or first)))
    except ValueError:
        raise NotRead(f"{quoted(first)} is no source") from None


def _reject(words: Words) -> Verdict:
    words.expect("--reject-with")
    return Reject(words.take())


#: The verdicts other than chains, by the word after ``-j``.
VERDICTS: dict[str, Callable[[Words], Verdict]] = {
    "MARK": _set_mark,
    "CONNMARK": _set_ct_mark,
    "SET": _mark_from_set,
    "MASQUERADE": _masquerade,
    "SNAT": _snat,
    "REJECT": _reject,
    "DNAT": _dnat,
}

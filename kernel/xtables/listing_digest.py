"""A digest of what iptables-save printed, without what is somebody else's, dates and counters.

What is left is what :func:`svcc.kernel.xtables.state.parse_saved` looks at.
"""

from __future__ import annotations

from hashlib import sha256

from svcc.kernel.ownership import Ours

_OURS = b"\n-A %b-"
_UNREADABLE = b"# Table `"
_END = b"\nCOMMIT\n"


def stable(data: bytes, ours: Ours) -> bytes | None:
    """The lines that say something about ours; None where nft put rules of its own into a table, which hides it.

    iptables-save prints chain by chain, and chains by name. So most of a table's rules of ours are in a row, and are
    taken in one piece, not line by line.
    """
    begin = _OURS % ours.prefix.encode("utf-8", "surrogateescape")
    text = b"\n" + data
    found, at = [], 0
    while (first := text.find(begin, at)) >= 0:
        end = _end_of_rules(text, begin, first)
        found += [text[at:first], text[first:end]]
        at = end
    pieces = [_piece(some, begin) for some in (*found, text[at:])]
    return None if None in pieces else b"".join(filter(None, pieces))


def _end_of_rules(text: bytes, begin: bytes, first: int) -> int:
    """Return the end of the last line of ours in a table. ``first``: the beginning of the first one."""
    table = text.find(_END, first)
    last = text.rfind(begin, first, len(text) if table < 0 else table)
    end = text.find(b"\n", max(last, first) + 1)
    return len(text) if end < 0 else end


def _piece(lines: bytes, begin: bytes) -> bytes | None:
    """Return the lines that say something about ours, each behind a line end; None as of :func:`stable`."""
    if lines.count(b"\n") == lines.count(begin):
        return lines
    others = lines.split(b"\n")[1:]
    if any(line.startswith(_UNREADABLE) for line in others):
        return None
    return b"".join(b"\n" + line for line in _kept(others, begin[4:]))


def _kept(lines: list[bytes], name: bytes) -> list[bytes]:
    """Tables, their built-in chains, and whatever names ours."""
    kept = []
    for line in lines:
        if line.startswith(b":"):
            chain = line.partition(b" [")[0]  # without its counters
            if name in chain or not chain.endswith(b" -"):
                kept.append(chain)
        elif name in line or line.startswith(b"*"):
            kept.append(line)
    return kept


def stable_lines(listings: list[bytes | None], ours: Ours) -> list[bytes | None] | None:
    """:func:`stable` of each listing that can be had; None where one is hidden."""
    found: list[bytes | None] = []
    for data in listings:
        lines = None if data is None else stable(data, ours)
        if lines is None and data is not None:
            return None
        found.append(lines)
    return found


def digest(usual: str, lines: list[bytes | None]) -> str:
    """The digest of what :func:`stable_lines` gave."""
    made = sha256(usual.encode())
    for some in lines:
        made.update(b"\nnone" if some is None else b"\nlisted")
        made.update(some or b"")
    return made.hexdigest()

"""A digest of svcc's rules in the output of iptables-save. Rules of others, dates and counters do not count.

The remaining lines are those that :func:`svcc.kernel.xtables.state.parse_saved` looks at.
"""

from __future__ import annotations

from hashlib import sha256

from svcc.kernel.ownership import Ours

_OURS = b"\n-A %b-"
_UNREADABLE = b"# Table `"
_END = b"\nCOMMIT\n"


def stable(data: bytes, ours: Ours) -> bytes | None:
    """Return the lines about svcc's rules. Return None where nft put rules of its own into a table: then iptables-save
    does not show the table.

    iptables-save prints chain by chain, and sorts chains by name. So most of svcc's rules in a table follow each other,
    and this function takes them in one piece, not line by line.
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
    """Return the end of the last rule of svcc in a table. ``first``: the beginning of its first rule."""
    table = text.find(_END, first)
    last = text.rfind(begin, first, len(text) if table < 0 else table)
    end = text.find(b"\n", max(last, first) + 1)
    return len(text) if end < 0 else end


def _piece(lines: bytes, begin: bytes) -> bytes | None:
    """Return the lines about svcc's rules, each with a line end in front. Return None where :func:`stable` does."""
    if lines.count(b"\n") == lines.count(begin):
        return lines
    others = lines.split(b"\n")[1:]
    if any(line.startswith(_UNREADABLE) for line in others):
        return None
    return b"".join(b"\n" + line for line in _kept(others, begin[4:]))


def _kept(lines: list[bytes], name: bytes) -> list[bytes]:
    """Return the lines of tables and built-in chains, and all lines that name a chain of svcc."""
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
    """Return what :func:`stable` returns for each listing, with None for a listing that could not be made.

    Return None where a table in one of them is hidden.
    """
    found: list[bytes | None] = []
    for data in listings:
        lines = None if data is None else stable(data, ours)
        if lines is None and data is not None:
            return None
        found.append(lines)
    return found


def digest(usual: str, lines: list[bytes | None]) -> str:
    """Return the SHA-256 digest of what :func:`stable_lines` returned. ``usual``: the machine's usual variant."""
    made = sha256(usual.encode())
    for some in lines:
        made.update(b"\nnone" if some is None else b"\nlisted")
        made.update(some or b"")
    return made.hexdigest()

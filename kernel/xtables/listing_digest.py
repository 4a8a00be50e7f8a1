"""A digest of what iptables-save printed, without what is somebody else's, dates and counters.

What is left is what :func:`svcc.kernel.xtables.state.parse_saved` looks at.
"""

from __future__ import annotations

from hashlib import sha256

from svcc.kernel.ownership import Ours

_OURS = b"\n-A %b-"
_UNREADABLE = b"# Table `"


def stable(data: bytes, ours: Ours) -> bytes | None:
    """The lines that say something about ours; None where nft put rules of its own into a table, which hides it."""
    begin = _OURS % ours.prefix.encode("utf-8", "surrogateescape")
    name = begin[4:]
    rules = (b"\n" + data).split(begin)
    for at, rule in enumerate(rules):
        if b"\n" in rule:  # other lines follow it
            first, *others = rule.split(b"\n")
            if any(line.startswith(_UNREADABLE) for line in others):
                return None
            rules[at] = b"\n".join([first, *_kept(others, name)])
    return begin.join(rules)


def _kept(lines: list[bytes], name: bytes) -> list[bytes]:
    """The lines that are no rules in chains of ours: tables, their built-in chains, and whatever names ours."""
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

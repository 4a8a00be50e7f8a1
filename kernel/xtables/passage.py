"""Checks that only what was meant to change differs between two listings.

It compares bytes, and the rules of the chains that were meant to change. To parse both listings into states would take
many times as long.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise

from svcc.kernel.xtables.state import Rules, Table, Tables

_NOTHING = Table()


def passes(before: bytes, after: bytes, have: Tables, want: Tables) -> bool:
    """Whether two listings differ only in the chains in which two states differ, and each listing has these chains as
    its state does. The listings are those of :func:`svcc.kernel.xtables.listing_digest.stable`.

    ``have`` is the state of the listing ``before``, and ``want`` that of ``after``.
    """
    tables = have.keys() | want.keys()
    if any(have.get(name, _NOTHING).entries != want.get(name, _NOTHING).entries for name in tables):
        return False
    old, new = _sections(before), _sections(after)
    if old.keys() != new.keys():
        return False
    return all(
        _same_but(old[name], new[name], have.get(name, _NOTHING), want.get(name, _NOTHING)) for name in old
    ) and all(name in old for name in tables)


def _sections(listing: bytes) -> dict[str, bytes]:
    """Return the lines of each table, with a line end in front of each line and after the last."""
    text = b"\n" + listing + b"\n"
    found: dict[str, bytes] = {}
    for head, following in pairwise((*_heads(text), len(text))):
        lines = text.find(b"\n", head)
        found[text[head + 1 : lines].decode(errors="replace")] = text[lines:following]
    return found


def _heads(text: bytes) -> Iterator[int]:
    """Yield the offsets of the names of tables. Searching for the asterisk alone is quicker: few lines have one."""
    at = text.find(b"*")
    while at >= 0:
        if text.startswith(b"\n*", at - 1):
            yield at
        at = text.find(b"*", at + 1)


def _same_but(before: bytes, after: bytes, have: Table, want: Table) -> bool:
    """Whether a table's lines differ only in the chains in which its two states differ, as these states have them."""
    names = [name for name in have.chains.keys() | want.chains.keys() if have.chains.get(name) != want.chains.get(name)]
    old, new = _without(before, names), _without(after, names)
    if old is None or new is None:
        return False
    return old[0] == new[0] and old[1] == _those(have, names) and new[1] == _those(want, names)


def _those(table: Table, names: Collection[str]) -> dict[str, Rules]:
    return {name: table.chains[name] for name in names if name in table.chains}


def _without(lines: bytes, names: Collection[str]) -> tuple[bytes, dict[str, Rules]] | None:
    """Return a table's lines without those of some chains, and the rules of those chains that exist.

    Return None where rules of other chains are between theirs.
    """
    found: dict[str, Rules] = {}
    cuts: list[tuple[int, int]] = []
    for name in names:
        declared = f"\n:{name} -\n".encode()
        at = lines.find(declared)
        if at < 0:
            continue
        cuts.append((at, at + len(declared) - 1))
        head = f"\n-A {name} ".encode()
        first = lines.find(head, at)
        if first < 0:
            found[name] = ()
            continue
        end = lines.find(b"\n", lines.rfind(head, first) + 1)
        block = lines[first:end].split(head)
        if any(b"\n" in rule for rule in block):
            return None  # rules of other chains are between them
        found[name] = tuple(rule.decode(errors="replace") for rule in block[1:])
        cuts.append((first, end))
    return _cut(lines, sorted(cuts)), found


def _cut(lines: bytes, cuts: Iterable[tuple[int, int]]) -> bytes:
    """Return the lines without some pieces, given by beginning and end, in order. The lines, which are millions of
    bytes, are copied once."""
    kept, at = [], 0
    for begin, end in cuts:
        kept.append(lines[at:begin])
        at = end
    return b"".join((*kept, lines[at:]))

"""Two documents without most of what they have in common, where only elements of large sets differ.

The target writes a line for each element, and each set's elements in a block. Where two blocks differ, the lines that
only one of them has are kept. A connection is looked up by one key in several maps: so where a key is kept in one map,
its elements in all maps are kept. The states of the shortened documents then differ in the same elements as those of
the whole ones, and they are read in a tenth of the time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: A block of elements, as the target writes it.
_BLOCK = re.compile(
    r'\n, \{"add": \{"element": \{"family": "(\w+)", "table": "[^"\\]*", "name": "([^"\\]*)", "elem": \[\n    '
)
_NEXT, _END = "\n  , ", "\n  ]}}}"
#: Sets that are keyed by frontend.
_KEYED = re.compile(r"nodeports|(?:nodeport-)?(?:(?:tcp|udp|sctp)-range-)?(?:services|declared|endpoint-\d+)")
#: Sets whose elements nothing refers to, besides those that are keyed by frontend.
_PLAIN = ("addresses", "hairpin")
#: Of more elements, the whole documents are read as quickly.
_FEW = 64

#: Family and set of a block.
Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Document:
    """A document in pieces: the text around blocks, and what is in them."""

    between: tuple[str, ...]  # one more than there are blocks
    blocks: Mapping[Name, str]
    heads: Mapping[Name, str]

    @classmethod
    def of(cls, text: str) -> _Document | None:
        """None: a set has two blocks, or a block has no end: nothing that the target writes."""
        between, blocks, heads, done = list[str](), dict[Name, str](), dict[Name, str](), 0
        for head in _BLOCK.finditer(text):
            name = head[1], head[2]
            if not _KEYED.fullmatch(head[2]) and head[2] not in _PLAIN:
                continue
            end = text.find(_END, head.end())
            if name in blocks or end < 0 or head.start() < done:
                return None
            between.append(text[done : head.start()])
            blocks[name], heads[name], done = text[head.end() : end], head[0], end + len(_END)
        return cls((*between, text[done:]), blocks, heads)

    def text(self, kept: Mapping[Name, list[str]]) -> str:
        """The document with these elements alone."""
        elements = (f"{self.heads[name]}{_NEXT.join(lines)}{_END}" for name, lines in kept.items() if lines)
        return "".join(self.between[:-1]) + "".join(elements) + self.between[-1]


def abridged(old: str, new: str) -> tuple[str, str] | None:
    """None where other things differ, or as much that nothing is gained."""
    one, other = _Document.of(old), _Document.of(new)
    if one is None or other is None or "".join(one.between) != "".join(other.between):
        return None
    differing = {
        name: _differing(one.blocks.get(name, ""), other.blocks.get(name, ""))
        for name in one.blocks.keys() | other.blocks.keys()
        if one.blocks.get(name) != other.blocks.get(name)
    }
    if sum(map(len, differing.values())) > _FEW:
        return None
    keys = {_key(line) for name, lines in differing.items() if name[1] not in _PLAIN for line in lines}
    return _text(one, differing, keys), _text(other, differing, keys)


def _key(line: str) -> str:
    """An element's key, as it stands in every line of it."""
    element = json.loads(line)
    key = element[0] if isinstance(element, list) else element
    return json.dumps(key["elem"]["val"] if isinstance(key, dict) and "elem" in key else key)


def _text(document: _Document, differing: Mapping[Name, set[str]], keys: Iterable[str]) -> str:
    kept = {
        name: _kept(block, differing.get(name, ()), () if name[1] in _PLAIN else keys)
        for name, block in document.blocks.items()
    }
    return document.text(kept)


def _differing(old: str, new: str) -> set[str]:
    """The elements that one of two blocks has."""
    return set(_elements(old)) ^ set(_elements(new))


def _elements(block: str) -> list[str]:
    return block.split(_NEXT) if block else []


def _kept(block: str, differing: Iterable[str], keys: Iterable[str]) -> list[str]:
    """The elements of a block that differ, and those with one of the keys, in their order."""
    wanted = set(differing)
    found = {at: line for key in keys for at, line in _lines_with(block, key)}
    if wanted:
        at = 0
        for line in block.split(_NEXT):
            if line in wanted:
                found[at] = line
            at += len(line) + len(_NEXT)
    return [found[at] for at in sorted(found)]


def _lines_with(block: str, key: str) -> Iterable[tuple[int, str]]:
    """Where the elements with a text in them begin, and the elements."""
    found = block.find(key)
    while found >= 0:
        start, end = block.rfind("\n", 0, found), block.find("\n", found)
        start, end = (0 if start < 0 else start + len(_NEXT)), (len(block) if end < 0 else end)
        yield start, block[start:end]
        found = block.find(key, end)

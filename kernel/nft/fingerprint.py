"""A digest of listings, without the clients that sets remember: these come and go, and are no part of the state.

A listing is one line of tens of megabytes. It is not parsed for this, but for the sets that may remember.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import pairwise

from svcc.kernel.nft.rules import remembers

#: How a set or map begins. In a text of somebody's, a comment, the quotes would be escaped.
_SET = re.compile(rb'\{"(?:set|map)": \{"family": "')
_ELEMENTS, _TIMEOUT = b'"elem": [', b'"timeout"'


def fingerprint(listings: Iterable[bytes | None]) -> str:
    """Of the listings of all families, in their order; None: there is no such table."""
    digest = sha256()
    for data in listings:
        digest.update(b"none" if data is None else b"table")
        for piece in _pieces(data or b""):
            digest.update(piece)
        digest.update(b"\0")
    return digest.hexdigest()


def _pieces(data: bytes) -> Iterator[memoryview | bytes]:
    """A listing in pieces: as it is, but for sets that remember."""
    view, done = memoryview(data), 0
    starts = [found.start() for found in _SET.finditer(data)]
    for start, limit in pairwise((*starts, len(data))):
        declared = _declared(data, start, limit)
        if declared is not None:
            yield view[done:start]
            yield declared[0]
            done = declared[1]
    yield view[done:]


def _declared(data: bytes, start: int, limit: int) -> tuple[bytes, int] | None:
    """A set that remembers, without its elements, and where it ends; None: it is not one, as far as can be seen."""
    elements = data.find(_ELEMENTS, start, limit)
    if data.find(_TIMEOUT, start, limit if elements < 0 else elements) < 0:
        return None
    text = data[start:limit].decode()
    entry, length = json.JSONDecoder().raw_decode(text)
    ((_, fields),) = entry.items()
    if not remembers(fields):
        return None
    fields.pop("elem", None)
    return json.dumps(entry).encode(), start + len(text[:length].encode())

"""A program as etcd holds it: its text as gzip (RFC 1952), in pieces that fit into a value, under one hash.

The hash is that of the compressed bytes. So it is checked before anything is decompressed, and publishers whose zlibs
compress differently never mix their pieces.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from svcc.fleet.errors import BadProgram

#: How many bytes a piece has. In base64, as the protocol has it, that is well below etcd's limit of 1.5 MiB a request.
PIECE = 512 << 10
#: How many pieces a program may have: 64 MiB in all. 100,000 endpoints take 0.7 MB.
MOST_PIECES = 128
#: How many bytes a program's text may have.
LIMIT = 256 << 20
#: zlib's window bits for gzip's format (RFC 1952).
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Blob:
    """A compressed program. ``hash``: the SHA-256 of its pieces, put together."""

    hash: str
    pieces: tuple[bytes, ...]


def pack(text: str) -> Blob:
    """Compress a program's text. The same text always gives the same bytes. Errors: BadProgram where it is too
    large."""
    data = text.encode()
    if len(data) > LIMIT:
        raise BadProgram(f"the program has {len(data):,} bytes, and a fleet takes {LIMIT:,}")
    packed = gzip.compress(data, compresslevel=9, mtime=0)
    pieces = tuple(packed[start : start + PIECE] for start in range(0, len(packed), PIECE))
    if len(pieces) > MOST_PIECES:
        raise BadProgram(f"the program has {len(pieces)} pieces, and a fleet takes {MOST_PIECES}")
    return Blob(sha256(packed).hexdigest(), pieces)


def unpack(hash: str, pieces: Sequence[bytes], limit: int = LIMIT) -> str:
    """Return the program's text. ``limit``: how many bytes it may have; no more are decompressed.

    Errors: BadProgram where the pieces have another hash, or hold something else than one text.
    """
    packed = b"".join(pieces)
    if sha256(packed).hexdigest() != hash:
        raise BadProgram("the program is not the published one: it has another hash")
    unpacker = zlib.decompressobj(_GZIP)
    try:
        data = unpacker.decompress(packed, limit)
        if unpacker.unconsumed_tail or not unpacker.eof:
            more = unpacker.decompress(unpacker.unconsumed_tail, 1)
            if more or not unpacker.eof:
                raise BadProgram(f"the program is cut off, or has more than {limit:,} bytes")
        if unpacker.unused_data:
            raise BadProgram("there is more behind the end of the program")
        return data.decode()
    except zlib.error as error:
        raise BadProgram(f"the program is no gzip: {error}") from None
    except UnicodeDecodeError:
        raise BadProgram("the program is no text") from None

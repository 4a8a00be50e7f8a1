"""A program as etcd holds it: its text as gzip (RFC 1952), in pieces that fit into a value, under the hash of all.

The hash is that of the packed bytes. So it is checked before anything is unpacked, and two publishers whose zlibs pack
differently never mix their pieces.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from svcc.fleet.errors import BadProgram

#: Bytes of a piece. In base64, as the protocol has it, it is well below etcd's 1.5 MiB for a request.
PIECE = 512 << 10
#: Pieces of a program: 64 MiB, where 100,000 endpoints have 0.7 MB.
MOST_PIECES = 128
#: Bytes of a program's text.
LIMIT = 256 << 20
#: RFC 1952 with window bits as zlib wants them.
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Blob:
    """A packed program. ``hash``: the SHA-256 of its pieces, put together."""

    hash: str
    pieces: tuple[bytes, ...]


def pack(text: str) -> Blob:
    """The same bytes for the same text, whenever it is packed. Errors: BadProgram, where it is too large."""
    data = text.encode()
    if len(data) > LIMIT:
        raise BadProgram(f"the program has {len(data):,} bytes, and a fleet takes {LIMIT:,}")
    packed = gzip.compress(data, compresslevel=9, mtime=0)
    pieces = tuple(packed[start : start + PIECE] for start in range(0, len(packed), PIECE))
    if len(pieces) > MOST_PIECES:
        raise BadProgram(f"the program has {len(pieces)} pieces, and a fleet takes {MOST_PIECES}")
    return Blob(sha256(packed).hexdigest(), pieces)


def unpack(hash: str, pieces: Sequence[bytes], limit: int = LIMIT) -> str:
    """The program's text. ``limit``: bytes that it may have; no more is unpacked.

    Errors: BadProgram, where the pieces are not what the hash says, or hold something else than one text.
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
            raise BadProgram("the program is followed by something else")
        return data.decode()
    except zlib.error as error:
        raise BadProgram(f"the program is no gzip: {error}") from None
    except UnicodeDecodeError:
        raise BadProgram("the program is no text") from None

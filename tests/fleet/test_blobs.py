"""Compressed programs: they decompress to the same text, are the same bytes each time, and nothing else is
decompressed."""

from __future__ import annotations

import gzip
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcc.fleet import blobs
from svcc.fleet.blobs import PIECE, pack, unpack
from svcc.fleet.errors import BadProgram

_TEXT = '{"svcc":1,"services":[\n\n]}\n'


def _unpack(packed: bytes, limit: int = blobs.LIMIT) -> str:
    return unpack(sha256(packed).hexdigest(), [packed], limit)


@given(st.text())
def test_a_text_comes_back(text: str) -> None:
    blob = pack(text)
    assert unpack(blob.hash, blob.pieces) == text


def test_the_bytes_are_the_same_each_time() -> None:
    """No time and no name of a file is in them (RFC 1952, section 2.3)."""
    (packed,) = pack(_TEXT).pieces
    assert packed[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"
    assert pack(_TEXT) == pack(_TEXT)


def test_a_large_program_is_in_pieces_that_fit() -> None:
    noise = Random(1).randbytes(2 * PIECE).hex()
    blob = pack(noise)
    assert [len(piece) for piece in blob.pieces[:-1]] == [PIECE] * (len(blob.pieces) - 1)
    assert 0 < len(blob.pieces[-1]) <= PIECE
    assert len(blob.pieces) == 3
    assert unpack(blob.hash, blob.pieces) == noise


@given(st.data())
def test_a_changed_program_is_refused(data: st.DataObject) -> None:
    blob = pack(_TEXT)
    packed = bytearray(b"".join(blob.pieces))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadProgram, match="another hash"):
        unpack(blob.hash, [bytes(packed)])


def _packed(text: bytes) -> bytes:
    """Without the time, which would stand in the names of tests: those that run side by side have to have one name."""
    return gzip.compress(text, mtime=0)


@pytest.mark.parametrize("limit", [1, len(_TEXT) - 1])
def test_no_more_is_unpacked_than_allowed(limit: int) -> None:
    packed = _packed(_TEXT.encode())
    assert _unpack(packed, len(_TEXT)) == _TEXT
    with pytest.raises(BadProgram, match=f"more than {limit} bytes"):
        _unpack(packed, limit)


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (b"", "cut off"),
        (b"no gzip", "no gzip"),
        (_packed(_TEXT.encode())[:-9], "cut off"),
        (_packed(_TEXT.encode())[:-1], "cut off"),
        (_packed(_TEXT.encode()) * 2, "more behind the end of the program"),
        (_packed(b"\xff"), "no text"),
    ],
)
def test_what_is_no_packed_text_is_refused(packed: bytes, words: str) -> None:
    with pytest.raises(BadProgram, match=words):
        _unpack(packed)


def test_too_large_a_program_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "MOST_PIECES", 0)
    with pytest.raises(BadProgram, match="has 1 pieces"):
        pack(_TEXT)
    monkeypatch.setattr(blobs, "LIMIT", 5)
    with pytest.raises(BadProgram, match="a fleet takes 5"):
        pack(_TEXT)

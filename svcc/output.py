"""Standard output, for results: the whole text as UTF-8, whatever the locale. What cannot be written is an OSError."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, TextIO


class Output(TextIOWrapper):
    """Standard output that puts its own name into its OSErrors, as their ``filename``."""

    @classmethod
    def of(cls, stream: TextIO) -> TextIO:
        """Return a stream that replaces ``stream``, which cannot be used any more. A stream that is not Python's own is
        returned as it is."""
        if type(stream) is not TextIOWrapper:
            return stream
        now = (stream.encoding, stream.errors, None, stream.line_buffering, stream.write_through)
        return cls(stream.detach(), *now)

    def write(self, text: str, /) -> int:
        """Write, as every text stream does. Errors: OSError."""
        with _named():
            return super().write(text)

    def flush(self) -> None:
        """Flush, as every text stream does. Errors: OSError."""
        with _named():
            super().flush()


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        error.filename = "standard output"
        raise


def put(text: str) -> None:
    """Write a result. Bytes that were not UTF-8 when they were read (surrogateescape) are written unchanged."""
    rest = memoryview(text.encode("utf-8", "surrogateescape"))
    with _named():
        while rest:
            rest = rest[sys.stdout.buffer.write(rest) or 0 :]  # under PYTHONUNBUFFERED it may write only a part
        sys.stdout.buffer.flush()


def put_json(document: dict[str, Any]) -> None:
    """Write a result as one JSON document."""
    put(json.dumps(document, indent=2) + "\n")


def as_text(text: str) -> str:
    """Return a text that JSON can hold: bytes that were not UTF-8 when they were read (surrogateescape) become
    U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

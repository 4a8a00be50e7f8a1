"""Standard output, for results: the whole text as UTF-8, whatever the locale, or OSError."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, TextIO


class Output(TextIOWrapper):
    """Standard output, which an OSError of it is about: its ``filename``."""

    @classmethod
    def of(cls, stream: TextIO) -> TextIO:
        """In the place of a stream, which is of no use any more then; of one that is none of Python's own, itself."""
        if type(stream) is not TextIOWrapper:
            return stream
        now = (stream.encoding, stream.errors, None, stream.line_buffering, stream.write_through)
        return cls(stream.detach(), *now)

    def write(self, text: str, /) -> int:
        """As of every stream."""
        with _named():
            return super().write(text)

    def flush(self) -> None:
        """As of every stream."""
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
    """Write a result. Bytes that were no text when they were read (surrogateescape) come out as they were."""
    rest = memoryview(text.encode("utf-8", "surrogateescape"))
    with _named():
        while rest:
            rest = rest[sys.stdout.buffer.write(rest) or 0 :]  # under PYTHONUNBUFFERED it may take only a part
        sys.stdout.buffer.flush()


def put_json(document: dict[str, Any]) -> None:
    """Write a result as one JSON document."""
    put(json.dumps(document, indent=2) + "\n")


def as_text(text: str) -> str:
    """A text for JSON: bytes that were no text when they were read (surrogateescape) become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

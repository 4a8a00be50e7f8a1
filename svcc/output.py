"""Standard output, for results: the whole text as UTF-8, whatever the locale, or OSError."""

from __future__ import annotations

import json
import sys
from typing import Any


def put(text: str) -> None:
    """Write a result. Bytes that were no text when they were read (surrogateescape) come out as they were."""
    rest = memoryview(text.encode("utf-8", "surrogateescape"))
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) or 0 :]  # under PYTHONUNBUFFERED it may take only a part
    sys.stdout.buffer.flush()


def put_json(document: dict[str, Any]) -> None:
    """Write a result as one JSON document."""
    put(json.dumps(document, indent=2) + "\n")


def as_text(text: str) -> str:
    """A text for JSON: bytes that were no text when they were read (surrogateescape) become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

"""Keep notes about a generation that save time, and may be lost. A note is read as None where it is missing or damaged,
and where it is about another generation or was written by another svcc."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from svcc.apply import code, files
from svcc.kernel.json_values import Json, parsed


def read(path: Path, generation: str) -> Json:
    """Return the data that :func:`write` was given, as JSON has it; None where there is no note to rely on.

    ``generation``: the generation's hash.
    """
    try:
        seal, _, body = path.read_bytes().partition(b"\n")
        return parsed(body) if seal.decode("ascii") == _seal(generation, body) else None
    except (OSError, ValueError):
        return None


def write(path: Path, generation: str, data: object) -> None:
    """Write ``data``, which JSON can hold, as a note. ``generation``: the generation's hash. Errors: OSError."""
    body = json.dumps(data, indent=1) + "\n"
    files.write(path, f"{_seal(generation, body.encode())}\n{body}", lasting=False, whole=False)


def _seal(generation: str, body: bytes) -> str:
    """Return the digest that binds a note to its generation and to the svcc that wrote it, and that shows damage."""
    return sha256(f"{code.stamp()}\n{generation}\n".encode() + body).hexdigest()

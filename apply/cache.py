"""Notes about a generation that save time, and may be lost. A note that is missing or damaged, or was made of another
generation or by another svcc, reads as None."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from svcc.apply import code, files
from svcc.kernel.json_values import Json, parsed


def read(path: Path, generation: str) -> Json:
    """What :func:`write` was given, as JSON has it; None: there is nothing to rely on. ``generation``: its hash."""
    try:
        seal, _, body = path.read_bytes().partition(b"\n")
        return parsed(body) if seal.decode("ascii") == _seal(generation, body) else None
    except (OSError, ValueError):
        return None


def write(path: Path, generation: str, data: object) -> None:
    """Note ``data``, which is JSON. Errors: OSError."""
    body = json.dumps(data, indent=1) + "\n"
    files.write(path, f"{_seal(generation, body.encode())}\n{body}", lasting=False, whole=False)


def _seal(generation: str, body: bytes) -> str:
    """Binds a note to its generation and to the svcc that wrote it, and shows damage."""
    return sha256(f"{code.stamp()}\n{generation}\n".encode() + body).hexdigest()

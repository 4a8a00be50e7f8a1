"""Notes about a generation that save time and may be lost: one that is missing, damaged, of another generation or of
another svcc is not there."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from svcc.apply import code, files


def read(path: Path, generation: str) -> Any:
    """What :func:`write` was given, as JSON has it; None: there is nothing to rely on. ``generation``: its hash."""
    try:
        seal, _, body = path.read_bytes().partition(b"\n")
        return json.loads(body) if seal.decode("ascii") == _seal(generation, body) else None
    except (OSError, ValueError):
        return None


def write(path: Path, generation: str, data: Any) -> None:
    """Note ``data``, which is JSON. Errors: OSError."""
    body = json.dumps(data, indent=1) + "\n"
    files.write(path, f"{_seal(generation, body.encode())}\n{body}", lasting=False, whole=False)


def _seal(generation: str, body: bytes) -> str:
    """Binds a note to its generation and to the svcc that wrote it, and shows damage."""
    return sha256(f"{code.stamp()}\n{generation}\n".encode() + body).hexdigest()
